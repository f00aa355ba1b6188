import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { minimal } from './components.js';

const folder = await mkdtemp(path.join(tmpdir(), 'adapter-'));
after(() => rm(folder, { recursive: true }));
const component = path.join(folder, 'minimal.wasm');
await writeFile(component, await minimal());

test('the adapter speaks the protocol, and ends when its input does', async () => {
  const adapter = spawn(process.execPath, [fileURLToPath(new URL('../bin/adapter.js', import.meta.url))], { stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = createInterface({ input: adapter.stdout })[Symbol.asyncIterator]();
  let id = 0;
  const ask = async (request) => {
    id += 1;
    adapter.stdin.write(`${JSON.stringify({ id, ...request })}\n`);
    const reply = JSON.parse((await lines.next()).value);
    assert.equal(reply.id, id);
    return reply;
  };
  assert.equal((await ask({ do: 'hello', protocol: 1 })).ok.contract, '0.1.1');
  const { ok: loaded } = await ask({ do: 'load', as: 'it', component });
  assert.deepEqual(loaded.endpoints, ['nothing']);
  assert.equal(loaded.descriptor.connection_schema, '{"type":"object"}');
  assert.deepEqual((await ask({ do: 'start', instance: 'one', connector: 'it', run: 'r', policy: {}, limits: {}, log_threshold: 'debug' })).ok, {});
  const { ok: called } = await ask({
    do: 'call', instance: 'one', endpoint: 'nothing', connection: '{}', options: '{}', attempt: 1, limit_ms: 10_000, incoming: [],
  });
  assert.deepEqual(called, { summary: { payloads: 0, bytes: 0, skipped: 0, failed: 0 }, well: true, unsettled: [] });
  assert.equal((await ask({ do: 'plan', instance: 'two', connection: '{}', options: '{}' })).failed.kind, 'refused');
  adapter.stdin.end();
  assert.deepEqual(await once(adapter, 'exit'), [0, null]);
});
