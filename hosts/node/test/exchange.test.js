import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { Call } from '../src/call.js';
import { Err, refusal } from '../src/failure.js';
import { exchange } from '../src/imports/exchange.js';

const LIMITS = { body: 10_000_000, metadata: 1000, payloads: 3 };

/** A call with an exchange, and what its flow was told. */
function setUp({ flow = {}, incoming = [], accepted = new Set() } = {}) {
  const told = [];
  const call = new Call({
    runId: 'run', attempt: 1, logThreshold: 'info', limitMs: 10_000, incoming, accepted, limits: LIMITS,
    flow: { settled: ({ metadata }, outcome) => told.push([metadata.id, outcome.tag]), ...flow },
  });
  return { call, told, accepted, ...exchange(() => call) };
}

const metadata = (more = {}) => ({ id: 'a', attributes: [], ...more });

const incoming = (id = 'in') => ({ metadata: metadata({ id }), options: '{}', body: () => Readable.from([Buffer.from('abc')]) });

const failsWith = (kind) => (error) => error instanceof Err && (error.payload.kind ?? error.payload.tag) === kind;

/** Writes as a connector does, as the stream has room. */
async function write(writer, bytes) {
  const stream = writer.body();
  for (let at = 0; at < bytes.length;) {
    const pollable = stream.subscribe();
    await pollable.block();
    const room = Number(stream.checkWrite());
    stream.write(bytes.subarray(at, at + room));
    at += room;
  }
}

test('finish returns when the flow has accepted the payload, and not before', async () => {
  let accept;
  const { begin, Writer } = setUp({ flow: { offered: () => async (body) => {
    assert.equal(await text(body), 'hello');
    await new Promise((resolve) => { accept = resolve; });
  } } });
  const { val: writer } = await begin(metadata());
  await write(writer, Buffer.from('hello'));
  let finished = false;
  const finishing = Writer.finish(writer).then(() => { finished = true; });
  await sleep(20);
  assert.equal(finished, false);
  accept();
  await finishing;
  assert.deepEqual(await begin(metadata()), { tag: 'accepted' });
});

test('a body that nobody takes waits in the connector', async () => {
  let read;
  const { begin, Writer } = setUp({ flow: { offered: () => (body) => new Promise((resolve) => {
    read = () => resolve(text(body));
  }) } });
  const { val: writer } = await begin(metadata());
  const stream = writer.body();
  let taken = 0;
  for (let room = Number(stream.checkWrite()); room > 0; room = Number(stream.checkWrite())) {
    stream.write(new Uint8Array(room));
    taken += room;
    assert.ok(taken <= 1 << 20, 'the host takes more than it should');
  }
  const pollable = stream.subscribe();
  assert.equal(pollable.ready(), false);
  read();
  await pollable.block();
  assert.ok(stream.checkWrite() > 0n);
  await Writer.finish(writer);
});

test('a body of another length than was said is refused', async () => {
  let gone;
  const { begin, Writer } = setUp({ flow: { offered: () => (body) => text(body).catch((error) => { gone = error; throw error; }) } });
  const { val: writer } = await begin(metadata({ size: 4n }));
  await write(writer, Buffer.from('hello'));
  await assert.rejects(Writer.finish(writer), failsWith('data'));
  assert.equal(gone.how, 'refused');
});

test('a body beyond the limit fails, and finish says why', async () => {
  const { begin, Writer } = setUp({ flow: { offered: () => async (body) => { await text(body); } } });
  const { val: writer } = await begin(metadata());
  await assert.rejects(write(writer, new Uint8Array(LIMITS.body + 1)), failsWith('last-operation-failed'));
  await assert.rejects(Writer.finish(writer), failsWith('denied-by-host'));
});

test('what the flow says goes to the connector', async () => {
  const { begin } = setUp({ flow: { offered: ({ id }) => {
    if (id === 'a') {
      throw refusal('permission', 'not this one');
    }
    return 'skip';
  } } });
  await assert.rejects(begin(metadata()), failsWith('permission'));
  assert.deepEqual(await begin(metadata({ id: 'b' })), { tag: 'skip' });
  await assert.rejects(begin(metadata({ id: '' })), failsWith('invalid-settings'));
  await assert.rejects(begin(metadata({ id: 'c', attributes: [['long', 'x'.repeat(1001)]] })), failsWith('invalid-settings'));
});

test('two writers of one payload: the second hears of the first', async () => {
  const { begin, Writer } = setUp({ flow: { offered: () => async (body) => { await text(body); } } });
  const [{ val: first }, { val: second }] = [await begin(metadata()), await begin(metadata())];
  await Writer.finish(first);
  await assert.rejects(Writer.finish(second), failsWith('conflict'));
});

test('payloads beyond the limit are refused', async () => {
  const { begin } = setUp({ flow: { offered: () => async () => {} } });
  for (const id of ['a', 'b', 'c']) {
    assert.equal((await begin(metadata({ id }))).tag, 'accept');
  }
  await assert.rejects(begin(metadata({ id: 'd' })), failsWith('denied-by-host'));
});

test('each reading of a body begins at its start', async () => {
  const { next } = setUp({ incoming: [incoming()] });
  const reader = next();
  for (let time = 0; time < 2; time += 1) {
    const stream = await reader.body();
    assert.equal(Buffer.from(await stream.blockingRead(10n)).toString(), 'abc');
    await assert.rejects(stream.blockingRead(10n), failsWith('closed'));
  }
});

test('a payload that is passed on as another counts as failed', async () => {
  const { call, told, next, Reader } = setUp({ incoming: [incoming()] });
  await Reader.settle(next(), { tag: 'pass', val: metadata({ id: 'other' }) });
  await call.desk.close('well');
  assert.deepEqual(told, [['in', 'fail']]);
  assert.equal(call.desk.isWell, false);
});

test('what is left without a word is unknown, or not touched after an error', async () => {
  for (const [how, as] of [['well', 'unknown'], ['broken', 'unknown'], ['error', 'untouched']]) {
    const { call, next } = setUp({ incoming: [incoming('dropped'), incoming('kept'), incoming('never taken')] });
    next()[Symbol.dispose]();
    next();
    await call.desk.close(how);
    const counted = call.desk.unsettled.map((one) => [one.incoming.metadata.id, one.as]);
    const rest = how === 'well' ? [] : [['never taken', 'untouched']];
    assert.deepEqual(counted, [['dropped', as], ['kept', as], ...rest]);
  }
});

test('handles that are kept for longer than the call are dead', async () => {
  let gone;
  const { call, begin, next, Writer, Reader } = setUp({
    incoming: [incoming()],
    flow: { offered: () => (body) => text(body).catch((error) => { gone = error.how; throw error; }) },
  });
  const { val: writer } = await begin(metadata());
  const stream = writer.body();
  const reader = next();
  await call.desk.close('well');
  assert.equal(gone, 'dropped');
  assert.throws(() => stream.checkWrite(), failsWith('closed'));
  await assert.rejects(Writer.finish(writer), /of a call that has ended/);
  await assert.rejects(Reader.settle(reader, { tag: 'consume' }), /of a call that has ended/);
});

test('after a cancellation there is nothing more to begin', async () => {
  const { call, begin, next } = setUp({ incoming: [incoming()] });
  call.cancel();
  await assert.rejects(begin(metadata()), failsWith('cancelled'));
  assert.throws(() => next(), failsWith('cancelled'));
});
