// Talk with Python. One interaction is one round trip; one request is on its way, what comes meanwhile waits for it.
const PATIENCE = 10000;

// Ask for what is visible, after these acts; without acts and `picture`, for rows only.
function ask(v, act, picture = true) {
  if (act) v.acts.push(act);
  v.picture ||= picture;
  if (v.seq === v.answered) send(v);
  else v.waits = true;
}

function send(v) {
  v.waits = false;
  v.seq += 1;
  v.sent = performance.now();
  const message = { ask: v.id, seq: v.seq, acts: v.acts, view: v.view, rows: wanted(v), plain: v.plain };
  if (v.picture) message.picture = { zoom: v.zoom, pixels: pixels(v) };
  Object.assign(v, { acts: [], picture: false });
  v.box.classList.add("busy");
  clearTimeout(v.timer);
  v.timer = setTimeout(() => lost(v), PATIENCE);
  v.model.send(message);
}

// No answer came: draw what is known, so that no tick is shown that Python does not have.
function lost(v) {
  showTrouble(v, "No answer from Python: it is busy, or it was restarted. After a restart, run the cell again.");
  if (v.rows) showRows(v);
}

function receive(v, message, buffers) {
  if (message.changed && message.by !== v.id) ask(v);
  if (message.to !== v.id || message.seq !== v.seq) return;
  v.answered = message.seq;
  clearTimeout(v.timer);
  const dropped = message.rows && !message.plain && !buffers?.length;
  if (dropped) {
    v.plain = v.picture = true; // a host that drops buffers: base64 from now on
    v.waits = true;
  } else draw(v, message, buffers);
  v.box.classList.remove("busy");
  Object.assign(v.box.dataset, { ms: Math.round(performance.now() - v.sent), seq: v.seq });
  if (message.later) ask(v, { act: "effects" }, false);
  else if (v.waits) send(v);
}

function draw(v, message, buffers) {
  showTrouble(v, message.error ?? "");
  if (message.error && v.rows && !message.rows) showRows(v); // no tick is shown that was refused
  if (message.result) showResult(v, message.result);
  if (message.rows) {
    v.head = message.rows;
    v.rows = unpack(v.head, message.plain ? message.plain.map(fromBase64) : buffers);
    showRows(v);
  }
  if (message.picture) showPicture(v, message.picture);
  if (message.code != null) showCode(v, message.code, message.what);
}

const fromBase64 = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));

const bytesOf = (b) => (b instanceof ArrayBuffer ? new Uint8Array(b) : new Uint8Array(b.buffer, b.byteOffset, b.byteLength));

// A DataView may start anywhere: numbers are copied to where they are aligned.
const numbers = (b, Type) => new Type(bytesOf(b).slice().buffer);

function unpack(head, buffers) {
  const [figures, offset] = [numbers(buffers[0], Float64Array), numbers(buffers[2], Uint32Array)];
  const [flags, text, decoder, n] = [bytesOf(buffers[1]), bytesOf(buffers[3]), new TextDecoder(), head.n];
  return Array.from({ length: n }, (_, i) => {
    const [label, alone, next, closure, modified, number] = [0, 1, 2, 3, 4, 5].map((column) => figures[column * n + i]);
    const [level, what, bits] = [flags[i], flags[n + i], flags[2 * n + i]];
    const name = decoder.decode(text.subarray(offset[i], offset[i + 1]));
    const state = { on: !!(bits & 1), part: !!(bits & 2), opens: !!(bits & 4), open: !!(bits & 8) };
    return { label, alone, next, closure, modified, number, level, what, name, ...state, index: head.start + i };
  });
}
