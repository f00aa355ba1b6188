import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Refused } from '../src/failure.js';
import { Schema } from '../src/schema.js';

const schema = (properties, more = {}) =>
  new Schema(JSON.stringify({ type: 'object', properties, additionalProperties: false, ...more }), 'the options');

const refused = (...words) => (error) => {
  assert.ok(error instanceof Refused, error.stack);
  words.forEach((word) => assert.ok(error.message.includes(word), error.message));
  return true;
};

test('a fault is told by its place, and never by its value', () => {
  const options = schema({ count: { type: 'integer' } });
  options.check('{"count":3}');
  assert.throws(() => options.check('{"count":"secret"}'), (error) => refused('/count')(error) && !error.message.includes('secret'));
  assert.throws(() => options.check('{"other":1}'), refused('additional'));
  assert.throws(() => options.check('{'), refused('no JSON'));
});

test('templates are not judged, and all else is', () => {
  const options = schema({
    count: { type: 'integer' }, name: { type: 'string', pattern: '^a' }, either: { anyOf: [{ type: 'integer' }, { enum: ['x'] }] },
  });
  const text = '{"count":"{{ a }}","name":"{{ b }}","either":"{{ c }}"}';
  options.check(text, { templates: true });
  assert.throws(() => options.check(text), refused('/count', '/name', '/either'));
  assert.throws(() => options.check('{"count":"{{ a }}","name":"b"}', { templates: true }), refused('/name'));
  assert.throws(() => options.check('{"count":"{{ a }}","either":"y"}', { templates: true }), refused('/either'));
});

test('a pattern that takes ages is given up', () => {
  const options = schema({ name: { type: 'string', pattern: '^(a+)+$' } });
  const start = performance.now();
  assert.throws(() => options.check(JSON.stringify({ name: `${'a'.repeat(60)}!` })), refused('cannot be compared'));
  assert.ok(performance.now() - start < 5000);
});

test('what is no schema is refused', () => {
  assert.throws(() => new Schema('{', 'x'), refused('no JSON Schema'));
  assert.throws(() => new Schema('{"type":"nothing"}', 'x'), refused('no JSON Schema'));
  assert.throws(() => new Schema('{"$ref":"https://example.org/schema"}', 'x'), refused('no JSON Schema'));
});
