import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PolicyRefused } from '../src/failure.js';
import { Policy } from '../src/policy.js';
import { Reach } from '../src/reach.js';

const egress = (more = {}) => ({
  host: '127.0.0.1', firstPort: 21, lastPort: 21, direction: 'connect', secondary: false, reason: 'a test', ...more,
});

const data = (more = {}) => egress({ firstPort: 1024, lastPort: 65535, secondary: true, ...more });

async function reach(allow, plan, more = {}) {
  const reached = new Reach(new Policy({ allow, ...more }));
  await reached.grant(plan);
  return reached;
}

test('only what is planned and allowed may be reached', async () => {
  const reached = await reach(['127.0.0.1:21'], [egress()]);
  assert.equal(reached.mayConnect('127.0.0.1', 21), true);
  assert.equal(reached.mayConnect('127.0.0.1', 22), false);
  assert.equal(reached.mayConnect('127.0.0.2', 21), false);
  assert.equal((await reach(['*'], [egress()])).mayConnect('127.0.0.1', 22), false);
});

test('a plan that is not allowed is refused whole', async () => {
  await assert.rejects(reach([], [egress()]), PolicyRefused);
  await assert.rejects(reach(['127.0.0.1:22'], [egress()]), PolicyRefused);
  await assert.rejects(reach(['*'], [egress({ host: '*' })]), PolicyRefused);
  await assert.rejects(reach(['*'], [egress({ direction: 'accept' })]), PolicyRefused);
  await assert.rejects(reach(['*'], Array(101).fill(egress())), PolicyRefused);
});

test('a data connection needs its control connection', async () => {
  const reached = await reach(['127.0.0.1:21-65535'], [egress(), data()]);
  const control = {};
  assert.equal(reached.mayConnect('127.0.0.1', 4000), false);
  reached.connected(control, '127.0.0.1', 21);
  assert.equal(reached.mayConnect('127.0.0.1', 4000), true);
  assert.equal(reached.mayConnect('127.0.0.2', 4000), false);
  reached.ended(control);
  assert.equal(reached.mayConnect('127.0.0.1', 4000), false);
});

test('a data connection makes no other one possible', async () => {
  const reached = await reach(['127.0.0.1:21-65535'], [egress(), data()]);
  reached.connected({}, '127.0.0.1', 4000);
  assert.equal(reached.mayConnect('127.0.0.1', 4001), false);
});

test('names are those of the plan', async () => {
  const reached = await reach(['localhost:21'], [egress({ host: 'LocalHost.' })]);
  assert.ok(reached.lookup('localhost').length > 0);
  assert.equal(reached.lookup('example.org'), undefined);
  assert.equal(reached.mayConnect(reached.lookup('localhost')[0], 21), true);
});

test('listening takes a plan and the policy', async () => {
  const plan = [egress(), data({ direction: 'accept' })];
  const reached = await reach(['*'], plan, { listen: true });
  assert.equal(reached.mayListen(0), true);
  assert.equal(reached.mayListen(80), false);
  assert.equal(reached.mayAccept('127.0.0.1'), false);
  reached.connected({}, '127.0.0.1', 21);
  assert.equal(reached.mayAccept('127.0.0.1'), true);
  assert.equal(reached.mayAccept('127.0.0.2'), false);
  assert.equal((await reach(['*'], [egress()], { listen: true })).mayListen(0), false);
});

test('one address has one text', async () => {
  const reached = await reach(['[::1]:21'], [egress({ host: '0:0:0:0:0:0:0:1' })]);
  assert.equal(reached.mayConnect('::1', 21), true);
});

test('a rule that is none is refused', () => {
  for (const rule of ['127.0.0.1', 'host:', 'host:70000', 'host:20-10', ':21']) {
    assert.throws(() => new Policy({ allow: [rule] }), /is no rule/);
  }
});
