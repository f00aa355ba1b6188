import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { after, test } from 'node:test';
import { Connector, Policy } from '../src/index.js';
import { serve } from './ftp-server.js';

/** The FTP connector; `cargo xtask build` makes it. */
const connector = await Connector.load(await readFile(new URL('../../../dist/ftp.wasm', import.meta.url)));

const files = { 'a.csv': Buffer.from('1;2;3\n'), 'large.csv': randomBytes(3_000_000), 'empty.csv': Buffer.alloc(0), 'other.txt': Buffer.from('x') };
const server = await serve(files);
after(server.close);

const connection = JSON.stringify({ host: '127.0.0.1', port: server.port, auth: { username: 'u', password: 'secret' } });

const start = (allow) => connector.start({ runId: 'run-1', policy: new Policy({ allow }) });
const LOOPBACK = ['127.0.0.1:1024-65535'];

test('files are got byte by byte', async () => {
  const instance = await start(LOOPBACK);
  const got = {};
  const options = JSON.stringify({ root: '/', path: '.*\\.csv' });
  const { summary, well } = await instance.call('ftp-get', {
    connection, options, limitMs: 30_000,
    flow: { offered: ({ name }) => async (body) => { got[name] = await buffer(body); } },
    incoming: [{ metadata: { id: 'trigger', attributes: [] }, options, body: null }],
  });
  assert.equal(summary.payloads, 3n);
  assert.equal(well, true);
  assert.deepEqual(Object.keys(got).sort(), ['a.csv', 'empty.csv', 'large.csv']);
  Object.entries(got).forEach(([name, bytes]) => assert.ok(bytes.equals(files[name]), name));
  instance.end();
});

test('a file is put byte by byte', async () => {
  const instance = await start(LOOPBACK);
  const bytes = randomBytes(2_000_000);
  const options = JSON.stringify({ path: 'put.bin' });
  const settled = [];
  const { well } = await instance.call('ftp-put', {
    connection, options, limitMs: 30_000,
    flow: { settled: (incoming, { tag }) => settled.push(tag) },
    incoming: [{ metadata: { id: 'it', attributes: [] }, options, body: () => Readable.from([bytes], { objectMode: false }) }],
  });
  assert.deepEqual(settled, ['pass']);
  assert.equal(well, true);
  assert.ok(files['put.bin'].equals(bytes));
  instance.end();
});

test('a server that the policy does not name is not reached', async () => {
  const instance = await start(['127.0.0.2:1024-65535']);
  const call = instance.call('ftp-get', { connection, options: '{"path":"a.csv"}', limitMs: 30_000, incoming: [] });
  await assert.rejects(call, { kind: 'policy' });
  instance.end();
});
