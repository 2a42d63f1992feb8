// Finds what stands in the open under a sale's number, and proves that it is in the log, from nothing but whole shards
// and their checkpoints; and keeps the newest entries in sight. Nothing that is typed here is sent anywhere, and what is
// fetched does not depend on it. The signatures under a checkpoint are not checked here: the page that says whether they
// hold, and this script, come from the same server anyway.
"use strict";

const BUNDLE = 256;
const POLL_MILLISECONDS = 5000;

// SHA-256 (FIPS 180-4). Browsers offer their own only to pages that came over TLS.
const ROUNDS = 64;
const PRIMES = (() => {
  const found = [];
  for (let n = 2; found.length < ROUNDS; n++) if (found.every((p) => n % p)) found.push(n);
  return found;
})();
const fraction = (x) => ((x - Math.floor(x)) * 2 ** 32) | 0;
const K = Int32Array.from(PRIMES, (p) => fraction(Math.cbrt(p)));
const START = Int32Array.from(PRIMES.slice(0, 8), (p) => fraction(Math.sqrt(p)));
const turn = (x, n) => (x >>> n) | (x << (32 - n));

function sha256(...parts) {
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  const data = new Uint8Array(((length + 8) >> 6 << 6) + 64);
  let at = 0;
  for (const part of parts) { data.set(part, at); at += part.length; }
  data[length] = 0x80;
  const view = new DataView(data.buffer);
  view.setUint32(data.length - 8, Math.floor(length / 2 ** 29));
  view.setUint32(data.length - 4, length << 3);
  const state = START.slice(), w = new Int32Array(ROUNDS);
  for (let block = 0; block < data.length; block += 64) {
    for (let i = 0; i < 16; i++) w[i] = view.getInt32(block + 4 * i);
    for (let i = 16; i < ROUNDS; i++) {
      const x = w[i - 15], y = w[i - 2];
      w[i] = (w[i - 16] + (turn(x, 7) ^ turn(x, 18) ^ (x >>> 3)) + w[i - 7] + (turn(y, 17) ^ turn(y, 19) ^ (y >>> 10))) | 0;
    }
    let [a, b, c, d, e, f, g, h] = state;
    for (let i = 0; i < ROUNDS; i++) {
      const one = (h + (turn(e, 6) ^ turn(e, 11) ^ turn(e, 25)) + ((e & f) ^ (~e & g)) + K[i] + w[i]) | 0;
      const two = ((turn(a, 2) ^ turn(a, 13) ^ turn(a, 22)) + ((a & b) ^ (a & c) ^ (b & c))) | 0;
      [h, g, f, e, d, c, b, a] = [g, f, e, (d + one) | 0, c, b, a, (one + two) | 0];
    }
    [a, b, c, d, e, f, g, h].forEach((x, i) => { state[i] = (state[i] + x) | 0; });
  }
  const out = new DataView(new ArrayBuffer(32));
  state.forEach((x, i) => out.setInt32(4 * i, x));
  return new Uint8Array(out.buffer);
}

const leafHash = (entry) => sha256(Uint8Array.of(0), entry);
const nodeHash = (left, right) => sha256(Uint8Array.of(1), left, right);
const hex = (bytes) => Array.from(bytes, (b) => b.toString(16).padStart(2, "0")).join("");

// RFC 6962, section 2.1: a tree divides at the largest power of two smaller than its size.
function split(size) {
  let k = 1;
  while (2 * k < size) k *= 2;
  return k;
}

function root(leaves, start, end) {
  if (end - start === 1) return leaves[start];
  const middle = start + split(end - start);
  return nodeHash(root(leaves, start, middle), root(leaves, middle, end));
}

// The steps from the leaf at `index` up to the root of leaves[start:end].
function climb(leaves, start, end, index) {
  if (end - start === 1) return { hash: leaves[start], steps: [] };
  const middle = start + split(end - start), fromLeft = index < middle;
  const below = fromLeft ? climb(leaves, start, middle, index) : climb(leaves, middle, end, index);
  const sibling = fromLeft ? root(leaves, middle, end) : root(leaves, start, middle);
  const [left, right] = fromLeft ? [below.hash, sibling] : [sibling, below.hash];
  const hash = nodeHash(left, right);
  return { hash, steps: [...below.steps, { left, right, hash, fromLeft }] };
}

// What the server has of a shard, whose address ends in a slash.

async function get(address) {
  const answer = await fetch(address);
  if (!answer.ok) throw new Error(`${address}: ${answer.status}`);
  return answer;
}

async function checkpoint(shard) {
  const lines = (await (await get(`${shard}checkpoint`)).text()).split("\n");
  return { size: Number(lines[1]), root: hex(Uint8Array.from(atob(lines[2]), (c) => c.charCodeAt(0))) };
}

function bundlePath(index, width) {
  const groups = [];
  for (let n = index; groups.length === 0 || n > 0; n = Math.floor(n / 1000)) {
    groups.unshift((groups.length ? "x" : "") + String(n % 1000).padStart(3, "0"));
  }
  return `tile/entries/${groups.join("/")}${width < BUNDLE ? `.p/${width}` : ""}`;
}

async function* entries(shard, size, told) {
  for (let index = 0; index * BUNDLE < size; index++) {
    const width = Math.min(BUNDLE, size - index * BUNDLE);
    const data = new Uint8Array(await (await get(shard + bundlePath(index, width))).arrayBuffer());
    for (let i = 0, at = 0; i < width; i++) {
      const start = at + 2;
      at = start + (data[at] << 8) + data[at + 1];
      if (!(at <= data.length)) throw new Error("a bundle ends too early");
      yield data.subarray(start, at);
    }
    told(width);
  }
}

// What an entry says of a sale. docs/wire.md has the whole of it; here only that is read which is shown.

const PLEDGE = 2;
const SAYS = {
  1: "A sale of this number commits: its key k is in this entry.",
  [PLEDGE]: "A merchant pledges a sale of this number. Whether it commits this entry does not say: it has no key.",
  3: "A sale of this number that was pledged commits: its key k is in this entry.",
};
const UNREADABLE = "an entry that nobody can read";

// What MessagePack holds here: a number, bytes, or a list of these.
function read(data) {
  let at = 0;
  const bytes = (length) => {
    if (at + length > data.length) throw new Error(UNREADABLE);
    return data.subarray(at, at += length);
  };
  const number = (width) => bytes(width).reduce((value, byte) => 256 * value + byte, 0);
  const value = () => {
    const head = number(1);
    if (head < 0x80) return head;
    if (head >> 4 === 0x9) return Array.from({ length: head & 0xf }, value);
    if (head >= 0xc4 && head <= 0xc6) return bytes(number(2 ** (head - 0xc4)));
    if (head >= 0xcc && head <= 0xcf) return number(2 ** (head - 0xcc));
    throw new Error(UNREADABLE);
  };
  const whole = value();
  if (at !== data.length) throw new Error(UNREADABLE);
  return whole;
}

// Of a pledge or a commit in the open; null of all others.
function saleIn(entry) {
  const [, kind, time, , body] = read(entry);
  if (!(kind in SAYS)) return null;
  const [, [number, expiration, merchant], , key] = read(read(body)[0]);
  if ((kind === PLEDGE) !== (key === undefined)) throw new Error(UNREADABLE);
  return { kind, time, number, expiration, merchant, key };
}

// What is shown.

const when = (seconds) => new Date(1000 * seconds).toUTCString();
const element = (id) => document.getElementById(id);

function add(parent, tag, text = "", className = "") {
  const child = parent.appendChild(document.createElement(tag));
  child.textContent = text;
  if (className) child.className = className;
  return child;
}

function addHash(parent, hash, ours) {
  add(ours ? add(parent, "b") : parent, "code", hex(hash));
}

function addProof(place, entry, top) {
  const list = add(place, "ol", "", "proof"), first = add(list, "li", "SHA-256(00 ‖ the bytes of the entry)");
  add(first, "br");
  first.append("= ");
  addHash(first, leafHash(entry), true);
  for (const step of top.steps) {
    const item = add(list, "li", "SHA-256(01 ‖ ");
    addHash(item, step.left, step.fromLeft);
    item.append(" ‖ ");
    addHash(item, step.right, !step.fromLeft);
    item.append(")");
    add(item, "br");
    item.append("= ");
    addHash(item, step.hash, true);
  }
}

function addVerdict(place, holds, what) {
  const words = holds
    ? "That is the root in the checkpoint. Whether log and mirrors have signed that, the shard's page says."
    : "That is not the root in the checkpoint: something here is wrong.";
  add(place, "p", `${what} ${words}`, `verdict ${holds ? "good" : "bad"}`);
}

function addSale(place, { kind, time, expiration, merchant, key }) {
  add(place, "p", SAYS[kind]);
  const list = add(place, "dl");
  const rows = { "when": when(time), "merchant M": hex(merchant), "expiration": when(expiration) };
  if (key) rows["key to the goods k"] = hex(key);
  for (const [name, value] of Object.entries(rows)) {
    add(list, "dt", name);
    add(add(list, "dd"), "code", value);
  }
}

// Reads one shard; shows the entries with this number, each with its proof; returns how many.
async function findIn({ name, address }, number, place, told) {
  const { size, root: expected } = await checkpoint(address), leaves = [], found = [];
  for await (const entry of entries(address, size, told)) {
    const sale = saleIn(entry);
    if (sale && hex(sale.number) === number) found.push({ index: leaves.length, entry, sale });
    leaves.push(leafHash(entry));
  }
  for (const { index, entry, sale } of found) {
    const top = climb(leaves, 0, size, index);
    add(place, "h3", `${name}: entry ${index} of ${size}`, "at");
    addSale(place, sale);
    add(place, "pre", hex(entry));
    addProof(place, entry, top);
    addVerdict(place, hex(top.hash) === expected, "");
  }
  if (found.length === 0 && size > 0) {
    const holds = hex(root(leaves, 0, size)) === expected;
    if (!holds) add(place, "h3", name);
    if (!holds || shards().length === 1) addVerdict(place, holds, `All ${size} entries lead to a root.`);
  }
  return found.length;
}

// The shards that a search reads: that of this page, or all that the page lists.
function shards() {
  const links = [...document.querySelectorAll("a.shard")];
  if (links.length === 0) return [{ name: document.title, address: "./" }];
  return links.map((link) => ({ name: link.textContent, address: link.getAttribute("href") }));
}

async function find(number, place, progress) {
  let read = 0, found = 0;
  const unread = [];
  for (const shard of shards()) {
    try {
      found += await findIn(shard, number, place, (more) => { progress.textContent = `${read += more} entries read`; });
    } catch (why) {
      unread.push(`${shard.name} could not be read (${why.message}). `);
    }
  }
  const nothing = found ? "" : "No open entry has this number; sealed ones show none. ";
  progress.textContent = `${nothing}${unread.join("")}${read} entries read.`;
}

async function search() {
  const number = element("number").value.trim().toLowerCase(), progress = element("progress"), button = element("find");
  element("found").replaceChildren();
  if (!/^[0-9a-f]{64}$/.test(number)) {
    progress.textContent = "A transaction number has 64 digits in hex.";
    return;
  }
  button.disabled = true;
  await find(number, element("found"), progress);
  button.disabled = false;
}

// The newest entries, as they come; a page of earlier ones stays as it is.
async function look() {
  if (document.hidden || location.search) return;
  try {
    const { size } = await checkpoint("./");
    if (size === Number(element("live").dataset.size)) return;
    const page = new DOMParser().parseFromString(await (await get("./")).text(), "text/html");
    element("live").replaceWith(page.getElementById("live"));
  } catch {
    // the next look may succeed
  }
}

if (element("search")) {
  element("search").hidden = false;
  element("find").addEventListener("click", search);
  element("number").addEventListener("keydown", (event) => { if (event.key === "Enter") search(); });
}
if (element("live")) setInterval(look, POLL_MILLISECONDS);
