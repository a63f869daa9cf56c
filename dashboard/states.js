// States by word and shape: the colour only repeats what both say.

const SHAPES = {
  wait: "open",
  busy: "half",
  done: "check",
  bad: "cross",
  off: "dash",
  pause: "bars",
};

const TONES = { wait: "calm", busy: "busy", done: "good", bad: "bad", off: "calm", pause: "warn" };

const STATES = {
  created: ["wait", "just written"],
  queued: ["wait", "queued"],
  processing: ["busy", "being answered"],
  completed: ["done", "completed"],
  failed: ["bad", "failed"],
  cancelled: ["off", "cancelled"],
  expired: ["bad", "expired"],
  assembling: ["busy", "being written"],
  sealed: ["busy", "ready to send"],
  submitted: ["busy", "at the provider"],
  ingesting: ["busy", "answers coming in"],
  closing: ["busy", "being closed"],
  reading: ["busy", "being read"],
  quoted: ["pause", "waits for your yes"],
  running: ["busy", "running"],
  exporting: ["busy", "files being written"],
  paused: ["pause", "paused"],
  open: ["wait", "open"],
  high: ["bad", "high"],
  warning: ["pause", "warning"],
};

/** Of a status its word, its shape and its tone. */
export function stateOf(status) {
  const [kind, word] = STATES[status] ?? ["wait", String(status ?? "unknown").replaceAll("_", " ")];
  return { word, shape: SHAPES[kind], tone: TONES[kind] };
}

/** Whether a batch can still be stopped: the provider has not ended it, and no stop is wished yet. */
export function isStoppable({ status, stop }) {
  return ["assembling", "sealed", "submitted"].includes(status) && !stop;
}
