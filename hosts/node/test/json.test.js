import assert from 'node:assert/strict';
import { test } from 'node:test';
import { errorFromJson, errorToJson, metadataFromJson, parse, stringify, toJson } from '../adapter/json.js';

test('numbers of 64 bits are exact, and texts that look like numbers stay texts', () => {
  const text = '{"large":18446744073709551615,"small":7,"text":"18446744073709551615 \\"1234567890123456789"}';
  const value = parse(text);
  assert.equal(value.large, 2n ** 64n - 1n);
  assert.equal(stringify(value), text);
});

test('metadata and errors come back as they were', () => {
  const metadata = {
    id: 'a', version: null, name: 'x.txt', content_type: 'text/plain', size: 18446744073709551615n, modified_ms: 5n,
    attributes: [['name', 'value']],
  };
  assert.deepEqual(toJson(metadataFromJson(metadata)), metadata);
  for (const retry of ['never', { 'after-ms': 500n }]) {
    const error = { kind: 'busy', message: 'later', code: '421', retry, effect: 'partial', details: null };
    assert.deepEqual(errorToJson(errorFromJson(error)), error);
  }
});
