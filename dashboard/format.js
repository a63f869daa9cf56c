// Numbers, money and times as a reader sees them: in the reader's language and zone.

const whole = new Intl.NumberFormat();
const day = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });
const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const exact = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "long" });
const share = new Intl.NumberFormat(undefined, { style: "percent", maximumFractionDigits: 1 });

export const NONE = "–";
const LEAST_DOLLARS = 0.0001;

export function number(value) {
  return value === null || value === undefined ? NONE : whole.format(value);
}

/** `3 jobs`, `1 job`. */
export function counted(value, one, many = `${one}s`) {
  return `${number(value)} ${value === 1 ? one : many}`;
}

export function percent(value) {
  return value === null || value === undefined ? NONE : share.format(value);
}

/** US dollars: with as many digits as tell something of a small amount. */
export function dollars(value) {
  if (value === null || value === undefined) return NONE;
  // Less than what is shown is not nothing.
  if (value > 0 && value < LEAST_DOLLARS / 2) return `< ${dollars(LEAST_DOLLARS)}`;
  const digits = Math.abs(value) >= 1 || value === 0 ? 2 : 4;
  return new Intl.NumberFormat(undefined, {
    style: "currency",
    currency: "USD",
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
  }).format(value);
}

/** A time of the API, of Firestore or of ours, as a Date; null for none. */
export function moment(value) {
  if (!value) return null;
  if (typeof value.toDate === "function") return value.toDate();
  const at = new Date(value);
  return Number.isNaN(at.getTime()) ? null : at;
}

/** `14:05`, and the day where it is not today. */
export function timeOf(value, now = new Date()) {
  const at = moment(value);
  if (!at) return NONE;
  return at.toDateString() === now.toDateString() ? clock.format(at) : `${day.format(at)}, ${clock.format(at)}`;
}

export function dayOf(value) {
  const at = moment(value);
  return at ? day.format(at) : NONE;
}

/** The whole of it, with the zone. */
export function exactly(value) {
  const at = moment(value);
  return at ? exact.format(at) : "";
}

/** `4 min`, `2 h 10 min`, `3 d 4 h`. */
export function duration(seconds) {
  if (seconds === null || seconds === undefined || Number.isNaN(seconds)) return NONE;
  const rounded = Math.max(0, Math.round(seconds));
  if (rounded < 60) return `${rounded} s`;
  const minutes = Math.floor(rounded / 60);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return minutes % 60 ? `${hours} h ${minutes % 60} min` : `${hours} h`;
  const days = Math.floor(hours / 24);
  return hours % 24 ? `${days} d ${hours % 24} h` : `${days} d`;
}

export function since(value, now = new Date()) {
  const at = moment(value);
  return at ? (now - at) / 1000 : null;
}

/** `openai · gpt-5-mini`, of a lane `openai:/v1/chat/completions:gpt-5-mini`. */
export function laneName(lane) {
  const [provider, , ...model] = String(lane ?? "").split(":");
  return model.length ? `${provider} · ${model.join(":")}` : String(lane ?? NONE);
}

/** `waste classification`, of `waste_classification`. */
export function words(name) {
  return String(name ?? NONE).replaceAll("_", " ");
}
