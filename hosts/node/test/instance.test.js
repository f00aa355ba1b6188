import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Cancelled, Connector, ConnectorFailed, Policy, Refused, TimeOut, Trap } from '../src/index.js';
import { minimal } from './components.js';

const NOTHING = '(func (export "nothing") (param i32 i32 i32 i32) (result i32)';
const LOG = '(call $log (i32.const 2) (i32.const 256) (i32.const 7))';

/** A connector whose endpoint does this, in WebAssembly, before it ends well. */
const doing = (code) => minimal([[NOTHING, `${NOTHING} ${code}`]]);

const trigger = (options = '{}') => ({ metadata: { id: 'trigger', attributes: [] }, options, body: null });

async function started(bytes, run = {}) {
  const connector = await Connector.load(bytes);
  return connector.start({ runId: 'run-1', ...run });
}

const call = (instance, about = {}) =>
  instance.call('nothing', { connection: '{}', options: '{}', limitMs: 10_000, incoming: [trigger()], ...about });

test('a connector is asked what it is, and called', async () => {
  const connector = await Connector.load(await minimal());
  assert.equal(connector.descriptor.id, 'minimal');
  assert.deepEqual(connector.endpoints, ['nothing']);
  const instance = await connector.start({ runId: 'run-1' });
  assert.deepEqual(await call(instance), {
    summary: { payloads: 0n, bytes: 0n, skipped: 0n, failed: 0n }, well: true, unsettled: [],
  });
  instance.end();
});

test('what it logs is told in its order, when it is loud enough', async () => {
  for (const [logThreshold, expected] of [['info', [['info', 'minimal'], ['info', 'minimal']]], ['warn', []]]) {
    const lines = [];
    const instance = await started(await doing(LOG + LOG), { logThreshold });
    await call(instance, { flow: { log: (...line) => lines.push(line) } });
    assert.deepEqual(lines, expected);
    instance.end();
  }
});

test('settings and options that do not fit are refused', async () => {
  const instance = await started(await minimal());
  await assert.rejects(call(instance, { connection: '[]' }), Refused);
  await assert.rejects(call(instance, { options: '7' }), Refused);
  await assert.rejects(call(instance, { incoming: [trigger('7')] }), Refused);
  await assert.rejects(instance.call('other', { connection: '{}', options: '{}', limitMs: 1000, incoming: [] }), /no endpoint/);
  instance.end();
});

test('an endless loop is ended when its time is up', async () => {
  const instance = await started(await doing('(loop $for-ever (br $for-ever))'));
  const start = performance.now();
  await assert.rejects(call(instance, { limitMs: 300 }), (error) => {
    assert.ok(error instanceof TimeOut, error.stack);
    assert.deepEqual(error.unsettled.map(({ as }) => as), ['untouched']);
    return true;
  });
  assert.ok(performance.now() - start < 5000);
  assert.equal(instance.isAlive, false);
  await assert.rejects(call(instance), (error) => error instanceof Refused && /gone/.test(error.message));
});

test('a call that does not hear of its cancellation is ended by force', async () => {
  const instance = await started(await doing('(loop $for-ever (br $for-ever))'));
  await assert.rejects(call(instance, { signal: AbortSignal.timeout(50), limitMs: 60_000 }), Cancelled);
});

test('a trap is no error of the connector', async () => {
  const instance = await started(await doing('unreachable'));
  await assert.rejects(call(instance), (error) => error instanceof Trap && !(error instanceof ConnectorFailed));
  assert.equal(instance.isAlive, false);
});

test('what describe and plan may not do ends in a trap', async () => {
  await assert.rejects(
    Connector.load(await minimal([['(; in describe ;)', LOG]])),
    /cannot describe itself.*describe called flow:connector\/context#log/,
  );
  const instance = await started(await minimal([['(; in plan ;)', LOG]]), { policy: new Policy() });
  await assert.rejects(call(instance), Trap);
});

test('a flow that fails is told apart from its connector', async () => {
  const instance = await started(await doing(LOG));
  const flow = { log() { throw new Error('no room for logs'); } };
  await assert.rejects(call(instance, { flow }), { kind: 'host', message: /no room for logs/ });
});

test('an instance does one call at a time', async () => {
  const instance = await started(await minimal());
  const first = call(instance);
  await assert.rejects(call(instance), { kind: 'host', message: /another call/ });
  assert.equal((await first).well, true);
  instance.end();
});
