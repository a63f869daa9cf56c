// The first rows of a file, to look at before anything is sent. The functions read the whole file, by their own rules;
// this finds the same columns for what spreadsheets write.

const DELIMITERS = [",", ";", "\t", "|"];
const LOOKED_AT_BYTES = 256 * 1024;

/** The columns and the first rows of a file: `{columns, rows, format}`. Throws an Error that says what is wrong. */
export async function firstRows(file, most = 5) {
  const bytes = new Uint8Array(await file.slice(0, LOOKED_AT_BYTES).arrayBuffer());
  const text = decoded(bytes, file.size > LOOKED_AT_BYTES);
  if (!text.trim()) throw new Error("The file is empty. Its first line names the columns, and rows follow.");
  return /\.(jsonl|ndjson)$/i.test(file.name) || text.trimStart().startsWith("{") ? readJsonl(text, most) : readCsv(text, most);
}

function decoded(bytes, isCut) {
  const isZip = bytes[0] === 0x50 && bytes[1] === 0x4b;
  if (isZip) throw new Error("This is a workbook or an archive. Save it as CSV UTF-8.");
  const encoding = bytes[0] === 0xff && bytes[1] === 0xfe ? "utf-16le" : bytes[0] === 0xfe && bytes[1] === 0xff ? "utf-16be" : "utf-8";
  try {
    // A character may be cut where we stopped.
    return new TextDecoder(encoding, { fatal: true }).decode(bytes, { stream: isCut });
  } catch {
    throw new Error("The file is not UTF-8. Save it as CSV UTF-8.");
  }
}

function readJsonl(text, most) {
  const lines = text.split("\n").filter((line) => line.trim()).slice(0, most);
  const rows = lines.map((line, at) => {
    try {
      const row = JSON.parse(line);
      if (typeof row === "object" && row !== null && !Array.isArray(row)) return row;
    } catch {
      // Told below.
    }
    throw new Error(`Line ${at + 1} is no JSON object. Write one object a line.`);
  });
  return { format: "jsonl", columns: [...new Set(rows.flatMap(Object.keys))], rows };
}

function readCsv(text, most) {
  const named = /^"?sep=([,;\t|])"?\s*\r?\n/i.exec(text);
  const body = named ? text.slice(named[0].length) : text;
  const firstLine = body.split(/\r?\n|\r/, 1)[0].replaceAll(/"(?:[^"]|"")*"/g, "");
  const delimiter = named?.[1] ?? DELIMITERS.reduce((best, one) => (count(firstLine, one) > count(firstLine, best) ? one : best));
  const [header, ...records] = parsed(body, delimiter, most + 1);
  const columns = header.map((name) => name.trim());
  if (columns.some((name) => !name)) throw new Error("A column has no name. The first line names each column.");
  if (new Set(columns).size < columns.length) throw new Error("Two columns have the same name. Give each a name of its own.");
  if (!records.length) throw new Error("The file has a header and no rows.");
  const rows = records.map((values) => Object.fromEntries(columns.map((name, at) => [name, values[at] ?? ""])));
  return { format: "csv", columns, rows };
}

function count(text, delimiter) {
  return text.split(delimiter).length;
}

/** The first records: quoted texts may hold delimiters and line ends, and a quote inside is written twice. */
function parsed(text, delimiter, most) {
  const records = [];
  let record = [];
  let value = "";
  let isQuoted = false;
  for (let at = 0; at <= text.length && records.length < most; at += 1) {
    const letter = text[at];
    if (isQuoted) {
      if (letter === undefined) break;
      if (letter !== '"') value += letter;
      else if (text[at + 1] === '"') {
        value += '"';
        at += 1;
      } else isQuoted = false;
    } else if (letter === '"' && value === "") isQuoted = true;
    else if (letter === delimiter) {
      record.push(value);
      value = "";
    } else if (letter === "\n" || letter === "\r" || letter === undefined) {
      if (letter === "\r" && text[at + 1] === "\n") at += 1;
      if (record.length || value) records.push([...record, value]);
      record = [];
      value = "";
    } else value += letter;
  }
  return records;
}

const PLACE = /\{\{\s*([^{}\s][^{}]*?)\s*\}\}/g;

/**
 * A template with a row's values in its places, in one pass, as `[{text, isValue}]`. A column that the row has not
 * stays as it is.
 */
export function rendered(template, row) {
  const pieces = [];
  let from = 0;
  for (const { 0: place, 1: column, index } of template.matchAll(PLACE)) {
    pieces.push({ text: template.slice(from, index) });
    pieces.push(Object.hasOwn(row, column) ? { text: asText(row[column]), isValue: true } : { text: place });
    from = index + place.length;
  }
  return [...pieces, { text: template.slice(from) }];
}

/** The columns that a template names. */
export function namedColumns(template) {
  return [...template.matchAll(PLACE)].map(([, column]) => column);
}

function asText(value) {
  return typeof value === "string" ? value : value === null ? "" : JSON.stringify(value);
}
