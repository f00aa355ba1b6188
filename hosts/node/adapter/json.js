// The contract's values as the conformance protocol writes them in JSON, and as jco has them in JavaScript.
//
// | WIT | JSON | JavaScript |
// |---|---|---|
// | `content-type` | `content_type` | `contentType` |
// | `option` | `null` | `undefined` |
// | `u64` | a number | a BigInt |
// | `variant` | `"never"`, `{"after-ms": 500}` | `{tag: 'never'}`, `{tag: 'after-ms', val: 500n}` |

/** A value that needs no eye on its fields: numbers and names alone. */
export function toJson(value) {
  if (typeof value === 'bigint') {
    return Number(value);
  }
  if (typeof value !== 'object' || value === null) {
    return value ?? null;
  }
  if (Array.isArray(value)) {
    return value.map(toJson);
  }
  const fields = Object.entries(value).map(([name, field]) => [snake(name), toJson(field)]);
  return Object.fromEntries(fields);
}

const snake = (name) => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

export const errorToJson = (error) => ({ ...toJson(error), retry: variantToJson(error.retry) });

const variantToJson = ({ tag, val }) => (val === undefined ? tag : { [tag]: toJson(val) });

export function errorFromJson({ kind, message, code, retry = 'never', effect = 'none', details }) {
  const afterMs = retry['after-ms'];
  return {
    kind,
    message,
    code: code ?? undefined,
    retry: afterMs === undefined ? { tag: retry } : { tag: 'after-ms', val: BigInt(afterMs) },
    effect,
    details: details ?? undefined,
  };
}

export function metadataFromJson({ id, version, name, content_type: contentType, size, modified_ms: modifiedMs, attributes }) {
  return {
    id,
    version: version ?? undefined,
    name: name ?? undefined,
    contentType: contentType ?? undefined,
    size: big(size),
    modifiedMs: big(modifiedMs),
    attributes: attributes ?? [],
  };
}

const big = (number) => (number === null || number === undefined ? undefined : BigInt(number));

export function outcomeToJson({ tag, val }) {
  switch (tag) {
    case 'pass': return { pass: toJson(val) };
    case 'fail': return { fail: errorToJson(val) };
    default: return tag;
  }
}
