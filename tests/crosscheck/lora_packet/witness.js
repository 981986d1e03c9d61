"use strict";
// Reads a list of questions as JSON from standard input and prints the list of answers of the lora-packet library.
//   {"op": "read", "hex", "network", "other", "application", "high", "conf"}   -> {"mic_ok", "plaintext", "fcnt", ...}
//   {"op": "build", "mtype", "dev_addr", "fcnt", "fport", "payload", ...}      -> {"hex"}
//   {"op": "session", ...}, {"op": "accept", ...}
// Keys and bytes are hex; "high" is the upper half of the counter as it stands in the blocks, least significant first.
const lora = require("lora-packet");

const bytes = (text) => (text === undefined || text === null ? undefined : Buffer.from(text, "hex"));
const hex = (buffer) => (buffer ? buffer.toString("hex") : null);

const ops = {
  read(q) {
    const packet = lora.fromWire(bytes(q.hex));
    const found = { mtype: packet.getMType(), dev_addr: hex(packet.DevAddr), fport: packet.getFPort() };
    found.mic_ok = lora.verifyMIC(packet, bytes(q.network), bytes(q.other), bytes(q.high), bytes(q.conf));
    if (q.fopts_key) found.fopts = hex(packet.decryptFOpts(bytes(q.fopts_key), undefined, bytes(q.high)));
    if (packet.FRMPayload && packet.FRMPayload.length && q.application)
      found.plaintext = hex(lora.decrypt(packet, bytes(q.application), bytes(q.application), bytes(q.high)));
    if (packet.isJoinRequestMessage())
      Object.assign(found, { dev_eui: hex(packet.DevEUI), join_eui: hex(packet.AppEUI), dev_nonce: hex(packet.DevNonce) });
    return found;
  },
  build(q) {
    const fields = {
      MType: q.mtype,
      DevAddr: bytes(q.dev_addr),
      FCnt: q.fcnt,
      FPort: q.fport,
      payload: bytes(q.payload),
      FCtrl: { ADR: q.adr, ACK: q.ack },
    };
    const packet = lora.fromFields(fields, bytes(q.application), bytes(q.network), bytes(q.other), bytes(q.high), bytes(q.conf));
    return { hex: hex(packet.getPHYPayload()) };
  },
  join(q) {
    const fields = { MType: "Join Request", AppEUI: bytes(q.join_eui), DevEUI: bytes(q.dev_eui), DevNonce: bytes(q.dev_nonce) };
    return { hex: hex(lora.fromFields(fields, undefined, undefined, bytes(q.key)).getPHYPayload()) };
  },
  accept(q) {
    const plain = lora.decryptJoinAccept(lora.fromWire(bytes(q.hex)), bytes(q.key));
    return { plain: hex(plain) };
  },
  session(q) {
    const keys = q.join_eui
      ? lora.generateSessionKeys11(bytes(q.app_key), bytes(q.nwk_key), bytes(q.join_eui), bytes(q.join_nonce), bytes(q.dev_nonce))
      : lora.generateSessionKeys10(bytes(q.app_key), bytes(q.net_id), bytes(q.join_nonce), bytes(q.dev_nonce));
    return Object.fromEntries(Object.entries(keys).map(([role, key]) => [role, hex(key)]));
  },
  js(q) {
    const keys = lora.generateJSKeys(bytes(q.nwk_key), bytes(q.dev_eui));
    return Object.fromEntries(Object.entries(keys).map(([role, key]) => [role, hex(key)]));
  },
};

const questions = JSON.parse(require("fs").readFileSync(0, "utf8"));
process.stdout.write(JSON.stringify(questions.map((q) => ops[q.op](q))));
