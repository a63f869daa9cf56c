// Puts a file into the user's own folder, by Firebase Storage and its rules.
import { post } from "./api.js";
import { firebase } from "./session.js";
import { connectStorageEmulator, getStorage, ref, uploadBytesResumable } from "./vendor/firebase-storage.js";

const TYPES = { csv: "text/csv", jsonl: "application/jsonl" };
const MOST_BYTES = 100 * 1024 * 1024;

let opened = null;

function storage() {
  if (!opened) {
    opened = getStorage(firebase.app);
    if (firebase.emulators) connectStorageEmulator(opened, location.hostname, firebase.emulators.storage);
  }
  return opened;
}

/** Uploads the source of a bulk job; returns its `gs://` address. `tell` hears how far it is, from 0 to 1. */
export async function uploadSource(file, format, tell) {
  if (file.size > MOST_BYTES) throw new Error("The file is larger than 100 MB. Cut it into several.");
  const contentType = TYPES[format];
  const name = file.name.replaceAll(/[^A-Za-z0-9._-]/g, "_").replace(/^\./, "_").slice(-100) || `source.${format}`;
  const { uri } = await post("/uploads", { purpose: "bulk", name, contentType });
  const task = uploadBytesResumable(ref(storage(), uri), file, { contentType });
  await new Promise((resolve, reject) => {
    task.on(
      "state_changed",
      ({ bytesTransferred, totalBytes }) => tell(totalBytes ? bytesTransferred / totalBytes : 0),
      () => reject(new Error("The file could not be uploaded. Is this device online?")),
      resolve,
    );
  });
  return uri;
}
