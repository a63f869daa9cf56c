// Has the Firebase CLI's own code check an index file: `node validate_indexes.js PACKAGE < INDEXES`. Exit code 3, and what
// is wrong on the standard error, if it would not deploy it. The CLI has no JSON schema for this file.
const Module = require("module");
const path = require("path");

// The package is here without what it depends on, of which the check needs nothing: colours, prompts, HTTP.
const anything = new Proxy(function () {}, {
  get: (_, name) => (name === Symbol.toPrimitive ? () => "" : anything),
  apply: (_, __, given) => (typeof given[0] === "string" ? given[0] : anything),
  construct: () => anything,
});
const load = Module._load;
Module._load = function (request, ...rest) {
  try {
    return load.call(this, request, ...rest);
  } catch (error) {
    if (error.code === "MODULE_NOT_FOUND" && !request.startsWith(".")) return anything;
    throw error;
  }
};

const { FirestoreApi } = require(path.resolve(process.argv[2], "lib/firestore/api.js"));
const api = Object.create(FirestoreApi.prototype);
const { indexes, fieldOverrides } = JSON.parse(require("fs").readFileSync(0, "utf8"));
try {
  api.validateSpec(api.upgradeOldSpec({ indexes, fieldOverrides }));
} catch (error) {
  console.error(error.message);
  process.exit(3);
}
