// What a component imports and exports, with the types of its functions.
//
// jco turns a component into JavaScript, where types are gone; a host that finds endpoints by their type has to read
// the component itself. This follows the binary format of the component model as far as types go
// (https://github.com/WebAssembly/component-model/blob/main/design/mvp/Binary.md) and skips all code.
//
// A type becomes text that spells it out to the last field, such as `list<record{name:string,size:option<u64>}>`, so two
// types are equal when their texts are, wherever they were defined.

import { Damaged, Reader } from './binary.js';

const PREAMBLE = [0x00, 0x61, 0x73, 0x6d];
const COMPONENT = [0x0d, 0x00, 0x01, 0x00];

const PRIMITIVES = {
  0x7f: 'bool', 0x7e: 's8', 0x7d: 'u8', 0x7c: 's16', 0x7b: 'u16', 0x7a: 's32', 0x79: 'u32', 0x78: 's64', 0x77: 'u64',
  0x76: 'f32', 0x75: 'f64', 0x74: 'char', 0x73: 'string', 0x64: 'error-context',
};

/**
 * What goes in or out under a name.
 *
 * @typedef {{kind: 'func', type: string} | {kind: 'instance', exports: Map<string, Item>} | {kind: 'type', type: string} |
 *   {kind: 'resource', name: string} | {kind: 'component', exports: Map<string, Item>} | {kind: 'other'}} Item
 */

/**
 * Reads a component.
 *
 * @param {Uint8Array} bytes
 * @returns {{imports: Map<string, Item>, exports: Map<string, Item>}}
 * @throws {Damaged} when it is no component, or uses what no connector needs
 */
export function readComponent(bytes) {
  const has = (expected, at) => expected.every((byte, index) => bytes[at + index] === byte);
  if (!has(PREAMBLE, 0)) {
    throw new Damaged('it is not WebAssembly');
  }
  if (!has(COMPONENT, 4)) {
    throw new Damaged('it is a core WebAssembly module; `wasm-tools component new` makes a component of one');
  }
  try {
    return component(new Reader(bytes), undefined);
  } catch (error) {
    if (error instanceof RangeError) {
      throw new Damaged(`its types are too large or nested too deeply (${error.message})`);
    }
    throw error;
  }
}

function component(reader, outer) {
  const scope = new Scope(outer);
  for (const expected of [...PREAMBLE, ...COMPONENT]) {
    if (reader.byte() !== expected) {
      throw new Damaged('a component within it does not begin like one');
    }
  }
  while (reader.more) {
    scope.section(reader.byte(), reader.part());
  }
  return { kind: 'component', imports: scope.imports, exports: scope.exports };
}

/** The numbered things of one component, or of one type of a component or instance. */
class Scope {
  imports = new Map();
  exports = new Map();
  #outer;
  // What has a number of its own, by its sort.
  #spaces = { func: [], type: [], instance: [], component: [], value: [], core: [] };

  constructor(outer) {
    this.#outer = outer;
  }

  section(number, reader) {
    switch (number) {
      case 0: // custom
      case 1: // core modules, core instances and core types: code
      case 2:
      case 3: return;
      case 4: this.#add(component(reader, this)); return;
      case 5: reader.list(() => this.#add(this.#instance(reader))); return;
      case 6: reader.list(() => this.#alias(reader)); return;
      case 7: reader.list(() => this.#add(this.#definition(reader))); return;
      case 8: reader.list(() => this.#canonical(reader)); return;
      case 10: reader.list(() => this.#import(reader)); return;
      case 11: reader.list(() => this.#export(reader)); return;
      default: throw new Damaged(`this host does not know sections of the number ${number}`);
    }
  }

  #add(item) {
    const space = item.kind === 'resource' ? 'type' : item.kind in this.#spaces ? item.kind : 'core';
    this.#spaces[space].push(item);
  }

  #at(sort, index) {
    const item = this.#spaces[sort]?.[index];
    if (item === undefined) {
      throw new Damaged(`there is no ${sort} ${index}`);
    }
    return item;
  }

  // Names and what they stand for

  #import(reader) {
    const name = externName(reader);
    const item = named(name, this.#described(reader));
    this.imports.set(name, item);
    this.#add(item);
  }

  #export(reader) {
    const name = externName(reader);
    const found = this.#sorted(reader);
    const ascribed = reader.option(() => this.#described(reader));
    const item = named(name, ascribed ?? found);
    this.exports.set(name, item);
    this.#add(item);
  }

  #described(reader) {
    switch (reader.byte()) {
      case 0x00: reader.byte(); reader.u32(); return { kind: 'other' };
      case 0x01: return { kind: 'func', type: this.#at('type', reader.u32()).type };
      case 0x02: reader.byte() === 0 ? reader.u32() : this.#value(reader); return { kind: 'value' };
      case 0x03: return reader.byte() === 0 ? this.#at('type', reader.u32()) : { kind: 'resource', name: '' };
      case 0x04: return { kind: 'component', exports: this.#at('type', reader.u32()).exports };
      case 0x05: return { kind: 'instance', exports: this.#at('type', reader.u32()).exports };
      default: throw new Damaged('an import or export is of no known sort');
    }
  }

  #sorted(reader) {
    const sort = sortOf(reader);
    const index = reader.u32();
    return sort === 'core' ? { kind: 'other' } : this.#at(sort, index);
  }

  #instance(reader) {
    if (reader.byte() === 0x00) {
      const made = this.#at('component', reader.u32());
      reader.list(() => [reader.name(), this.#sorted(reader)]);
      return { kind: 'instance', exports: made.exports };
    }
    const exports = reader.list(() => {
      const name = externName(reader);
      return [name, named(name, this.#sorted(reader))];
    });
    return { kind: 'instance', exports: new Map(exports) };
  }

  #alias(reader) {
    const sort = sortOf(reader);
    switch (reader.byte()) {
      case 0x00: {
        const { exports } = this.#at('instance', reader.u32());
        const name = reader.name();
        const item = exports.get(name);
        if (item === undefined) {
          throw new Damaged(`an instance has no export ${JSON.stringify(name)}`);
        }
        return this.#add(item);
      }
      case 0x01:
        reader.u32();
        reader.name();
        return this.#add({ kind: 'core' });
      case 0x02: {
        let scope = this;
        for (let levels = reader.u32(); levels > 0; levels -= 1) {
          scope = scope?.#outer;
        }
        const index = reader.u32();
        if (sort === 'core') {
          return this.#add({ kind: 'core' });
        }
        if (scope === undefined) {
          throw new Damaged('an alias leads out of the component');
        }
        return this.#add(scope.#at(sort, index));
      }
      default: throw new Damaged('an alias is of no known form');
    }
  }

  /** Functions that cross the border to core code. Only lifted ones are functions of the component. */
  #canonical(reader) {
    const code = reader.byte();
    if (code === 0x00 || code === 0x01) {
      reader.byte();
      reader.u32();
      reader.list(() => skipOption(reader));
      if (code === 0x00) {
        this.#add({ kind: 'func', type: this.#at('type', reader.u32()).type });
      }
    } else if (code >= 0x02 && code <= 0x04) {
      reader.u32(); // new, drop, rep of a resource
    } else {
      throw new Damaged('it uses asynchronous functions of the component model, which WASI 0.2 does not have');
    }
  }

  // Types

  #definition(reader) {
    switch (reader.peek()) {
      case 0x3f:
        reader.byte();
        reader.byte();
        reader.option(() => reader.u32());
        return { kind: 'resource', name: '' };
      case 0x40: reader.byte(); return { kind: 'type', type: this.#function(reader) };
      case 0x41: reader.byte(); return this.#declared(reader, 'component');
      case 0x42: reader.byte(); return this.#declared(reader, 'instance');
      default: return { kind: 'type', type: this.#defined(reader) };
    }
  }

  #declared(reader, what) {
    const inner = new Scope(this);
    reader.list(() => {
      const code = reader.byte();
      switch (code) {
        case 0x01: return inner.#add(inner.#definition(reader));
        case 0x02: return inner.#alias(reader);
        case 0x03: return inner.#import(reader);
        case 0x04: {
          const name = externName(reader);
          const item = named(name, inner.#described(reader));
          inner.exports.set(name, item);
          return inner.#add(item);
        }
        default: throw new Damaged(`the type of ${what === 'instance' ? 'an instance' : 'a component'} cannot be read`);
      }
    });
    return { kind: 'type', type: what, exports: inner.exports };
  }

  #function(reader) {
    const parameters = reader.list(() => `${reader.name()}:${this.#value(reader)}`);
    const results = reader.byte() === 0 ? `->${this.#value(reader)}` : (reader.byte(), '');
    return `func(${parameters.join(',')})${results}`;
  }

  #value(reader) {
    const first = reader.peek();
    if (first in PRIMITIVES) {
      reader.byte();
      return PRIMITIVES[first];
    }
    return this.#text(reader.u32());
  }

  #text(index) {
    const item = this.#at('type', index);
    return item.kind === 'resource' ? item.name : item.type;
  }

  #defined(reader) {
    const code = reader.byte();
    const label = () => reader.name();
    const value = () => this.#value(reader);
    switch (code) {
      case 0x72: return `record{${reader.list(() => `${label()}:${value()}`).join(',')}}`;
      case 0x71: return `variant{${reader.list(() => this.#case(reader)).join(',')}}`;
      case 0x70: return `list<${value()}>`;
      case 0x6f: return `tuple<${reader.list(value).join(',')}>`;
      case 0x6e: return `flags{${reader.list(label).join(',')}}`;
      case 0x6d: return `enum{${reader.list(label).join(',')}}`;
      case 0x6b: return `option<${value()}>`;
      case 0x6a: return `result<${reader.option(value) ?? '_'},${reader.option(value) ?? '_'}>`;
      case 0x69: return `own<${this.#text(reader.u32())}>`;
      case 0x68: return `borrow<${this.#text(reader.u32())}>`;
      default:
        if (code in PRIMITIVES) {
          return PRIMITIVES[code];
        }
        throw new Damaged(`a type is of a form that WASI 0.2 does not have (${code})`);
    }
  }

  #case(reader) {
    const label = reader.name();
    const value = reader.option(() => this.#value(reader));
    reader.byte(); // Once `refines`.
    return value === undefined ? label : `${label}(${value})`;
  }
}

/** A resource is called what it was first imported or exported as. */
function named(name, item) {
  return item.kind === 'resource' && item.name === '' ? { kind: 'resource', name } : item;
}

function externName(reader) {
  reader.byte();
  return reader.name();
}

function sortOf(reader) {
  const sorts = { 0x01: 'func', 0x02: 'value', 0x03: 'type', 0x04: 'component', 0x05: 'instance' };
  const code = reader.byte();
  if (code === 0x00) {
    reader.byte();
    return 'core';
  }
  if (!(code in sorts)) {
    throw new Damaged(`there is no sort ${code}`);
  }
  return sorts[code];
}

function skipOption(reader) {
  const code = reader.byte();
  if ([0x03, 0x04, 0x05, 0x07].includes(code)) {
    reader.u32();
  }
}
