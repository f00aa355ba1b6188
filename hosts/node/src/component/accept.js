// Whether this host can run a component, and what it finds there.

import { CONNECTOR, ENDPOINT, typeOf, VERSION } from './contract.js';
import { Damaged } from './binary.js';
import { readComponent } from './types.js';
import { Refused } from '../failure.js';

const CONTRACT = 'flow:connector/';

/**
 * A function that the component imports, by where this host has it.
 *
 * @typedef {object} Imported
 * @property {string} interface without its version, such as `wasi:io/streams`
 * @property {string} [owner] the class, for functions of a resource
 * @property {boolean} isStatic whether it is a static function of that class
 * @property {string} name in camel case, as jco calls it
 */

/**
 * @typedef {object} Accepted
 * @property {Imported[]} functions what it imports
 * @property {{interface: string, owner: string}[]} resources the classes that it imports
 * @property {string} connector the exported interface with `describe`
 * @property {Map<string, string>} endpoints the interface of each endpoint, by the endpoint's name
 */

/**
 * Reads a component and refuses what cannot be run, with a reason that names the file's fault.
 *
 * @param {Uint8Array} bytes
 * @param {(imported: Imported) => boolean} provides whether this host has a function of WASI
 * @returns {Accepted}
 * @throws {Refused}
 */
export function accept(bytes, provides) {
  const { imports, exports } = read(bytes);
  return {
    ...checkImports(imports, provides),
    connector: findConnector(exports),
    endpoints: findEndpoints(exports),
  };
}

function read(bytes) {
  try {
    return readComponent(bytes);
  } catch (error) {
    if (error instanceof Damaged) {
      throw new Refused(`the file is no WebAssembly component: ${error.message}`);
    }
    throw error;
  }
}

function checkImports(imports, provides) {
  const functions = [];
  const resources = [];
  for (const [full, item] of imports) {
    const [name, version] = full.split('@');
    if (item.kind !== 'instance') {
      throw new Refused(`the connector imports ${full}, which this host does not provide: it provides interfaces alone`);
    }
    checkVersion(full, name, version);
    for (const [member, { kind, type }] of item.exports) {
      if (kind === 'resource') {
        resources.push({ interface: name, owner: camel(member, true) });
      } else if (kind === 'func') {
        const imported = { interface: name, ...place(member) };
        checkFunction(full, member, type, imported, provides);
        functions.push(imported);
      }
    }
  }
  return { functions, resources };
}

/** Versions that differ in the last number alone have the same functions, or more. */
function checkVersion(full, name, version) {
  const series = name.startsWith('wasi:') ? '0.2' : VERSION.split('.').slice(0, 2).join('.');
  if (!version?.startsWith(`${series}.`)) {
    throw new Refused(`the connector imports ${full}, and this host provides version ${series} of it, if any`);
  }
}

function checkFunction(full, member, type, imported, provides) {
  if (!imported.interface.startsWith(CONTRACT)) {
    if (!provides(imported)) {
      throw new Refused(`the connector imports ${full}#${member}, which this host does not provide`);
    }
    return;
  }
  const expected = typeOf(imported.interface.slice(CONTRACT.length), member);
  if (expected === undefined) {
    throw new Refused(
      `the connector imports ${full}#${member}, which this host does not provide: it has version ${VERSION} of the contract`,
    );
  }
  if (type !== expected) {
    throw new Refused(`the connector imports ${full}#${member} as ${type}, and the contract says ${expected}`);
  }
}

function findConnector(exports) {
  const found = [...exports.keys()].find((name) => name.startsWith(`${CONTRACT}connector@`));
  if (found === undefined) {
    const those = [...exports.keys()].join(', ') || 'nothing';
    throw new Refused(`the component is no connector: it exports ${those}, and not ${CONTRACT}connector@${VERSION}`);
  }
  checkVersion(found, ...found.split('@'));
  for (const [name, expected] of Object.entries(CONNECTOR)) {
    const type = exports.get(found).exports?.get(name)?.type;
    if (type !== expected) {
      throw new Refused(`the connector's ${found} has ${name} as ${type ?? 'nothing'}, and the contract says ${expected}`);
    }
  }
  return found;
}

/** Whatever the interface is called, a function of the endpoint type is an endpoint. */
function findEndpoints(exports) {
  const endpoints = new Map();
  for (const [name, item] of exports) {
    for (const [member, { kind, type }] of item.kind === 'instance' ? item.exports : []) {
      if (kind === 'func' && type === ENDPOINT) {
        endpoints.set(member, name);
      }
    }
  }
  if (endpoints.size === 0) {
    throw new Refused(`the connector has no endpoint: no function that it exports has the type ${ENDPOINT}`);
  }
  return endpoints;
}

/** `describe` has an entry for each endpoint, and for nothing else. */
export function compareEndpoints(descriptor, endpoints) {
  const described = descriptor.endpoints.map(({ name }) => name).sort();
  const exported = [...endpoints.keys()].sort();
  if (described.join() !== exported.join()) {
    throw new Refused(
      `the connector describes the endpoints ${described.join(', ') || 'none'} and exports ${exported.join(', ')}; ` +
        'they must be the same',
    );
  }
}

/** `[method]tcp-socket.start-bind` is `startBind` of the class `TcpSocket`. */
function place(member) {
  const [, kind, owner, name] = /^\[(method|static)\]([^.]+)\.(.+)$/.exec(member) ?? [];
  if (kind === undefined) {
    return { name: camel(member), isStatic: false };
  }
  return { owner: camel(owner, true), name: camel(name), isStatic: kind === 'static' };
}

/** A name of WIT as jco writes it in JavaScript. */
export function camel(name, first = false) {
  const words = name.split('-').map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join('');
  return first ? words : words.charAt(0).toLowerCase() + words.slice(1);
}
