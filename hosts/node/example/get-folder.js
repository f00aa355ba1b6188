#!/usr/bin/env node
// Gets all files of a folder by FTPS, and writes them to a folder here. Each appears under its name when it is whole.
//
// Usage: get-folder.js COMPONENT HOST PORT USER PASSWORD FOLDER TARGET [FINGERPRINT]
//
// FINGERPRINT is `sha256:` and the SHA-256 of a certificate that the server made itself (`flowhost fingerprint HOST` shows
// it). Without one, an authority that this computer knows must have issued it.

import { createWriteStream } from 'node:fs';
import { mkdir, readFile, rename } from 'node:fs/promises';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { Connector, Policy } from '../src/index.js';

const [component, host, port, user, password, folder, target, fingerprint] = process.argv.slice(2);
if (target === undefined) {
  console.error('usage: get-folder.js COMPONENT HOST PORT USER PASSWORD FOLDER TARGET [FINGERPRINT]');
  process.exit(2);
}
await mkdir(target, { recursive: true });

// Once a component: it is read, checked against the contract, compiled, and asked what it is.
const connector = await Connector.load(await readFile(component));

// One live connector for one instance within one run. It may reach this server, and data connections there.
const policy = new Policy({ allow: [`${host}:${port}`, `${host}:1024-65535`] });
const instance = await connector.start({ runId: `run-${Date.now()}`, policy });

// Settings and options are JSON, described by the connector's schemas.
const connection = JSON.stringify({
  host,
  port: Number(port),
  auth: { username: user, password },
  tls: 'explicit',
  ...(fingerprint && { tls_trust: { pinned: fingerprint } }),
});
const options = JSON.stringify({ root: folder, path: '.*' });

// The flow: here every payload becomes a file. The connector hears that a payload is accepted when this returns.
const flow = {
  offered: ({ id, name }) => async (body) => {
    const file = path.join(target, path.basename(name ?? id));
    await pipeline(body, createWriteStream(`${file}.part`));
    await rename(`${file}.part`, file);
    console.log(file);
  },
  log: (level, message) => console.error(`${level}: ${message}`),
};

// The first step of a flow gets the run's trigger: a payload without a body that stands for the run.
const trigger = { metadata: { id: 'trigger', attributes: [] }, options, body: null };

try {
  const { summary, well } = await instance.call('ftp-get', {
    connection, options, flow, incoming: [trigger], limitMs: 10 * 60_000,
  });
  console.log(`${summary.payloads} files, ${summary.bytes} bytes`);
  process.exitCode = well ? 0 : 1;
} catch (failure) {
  console.error(`${failure.kind}: ${failure.message}`);
  process.exitCode = 1;
} finally {
  instance.end();
}
