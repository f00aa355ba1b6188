// Everything that a connector may import, put together for one instance.

import * as clocks from '../wasi/clocks.js';
import * as network from '../wasi/network.js';
import * as nothing from '../wasi/nothing.js';
import * as random from '../wasi/random.js';
import { poll } from '../wasi/poll.js';
import { ioError, streams } from '../wasi/streams.js';
import { tcp, tcpCreateSocket } from '../wasi/tcp.js';
import { context } from './context.js';
import { exchange } from './exchange.js';
import { tls } from './tls.js';

/**
 * The functions and classes of each interface, named as jco names them. They may be asynchronous.
 *
 * @param {object} instance
 * @param {() => import('../call.js').Call} [instance.call] the call that is under way
 * @param {import('../policy.js').Policy} [instance.policy]
 * @param {import('../reach.js').Reach} [instance.reach]
 * @param {(bytes: Uint8Array) => void} [instance.print] takes what the connector prints
 */
export function provide({ call, policy, reach, print } = {}) {
  const output = nothing.output(print);
  return {
    'flow:connector/context': context(call),
    'flow:connector/exchange': exchange(call),
    'flow:connector/tls': tls(policy),
    'wasi:io/error': ioError,
    'wasi:io/poll': poll,
    'wasi:io/streams': streams,
    'wasi:clocks/monotonic-clock': clocks.monotonicClock,
    'wasi:clocks/wall-clock': clocks.wallClock,
    'wasi:random/random': random.random,
    'wasi:random/insecure': random.insecure,
    'wasi:random/insecure-seed': random.insecureSeed,
    'wasi:sockets/network': network.network,
    'wasi:sockets/instance-network': network.instanceNetwork,
    'wasi:sockets/ip-name-lookup': network.ipNameLookup(reach),
    'wasi:sockets/tcp': tcp,
    'wasi:sockets/tcp-create-socket': tcpCreateSocket(reach),
    'wasi:sockets/udp': nothing.udp,
    'wasi:sockets/udp-create-socket': nothing.udpCreateSocket,
    'wasi:cli/environment': nothing.environment,
    'wasi:cli/exit': nothing.exit,
    'wasi:cli/stdin': nothing.stdin,
    'wasi:cli/stdout': { getStdout: output },
    'wasi:cli/stderr': { getStderr: output },
    'wasi:cli/terminal-input': nothing.terminalInput,
    'wasi:cli/terminal-output': nothing.terminalOutput,
    'wasi:cli/terminal-stdin': nothing.terminalStdin,
    'wasi:cli/terminal-stdout': nothing.terminalStdout,
    'wasi:cli/terminal-stderr': nothing.terminalStderr,
    'wasi:filesystem/types': nothing.filesystem,
    'wasi:filesystem/preopens': nothing.preopens,
  };
}

const EVERYTHING = provide();

/**
 * Whether this host has an imported function.
 *
 * @param {import('../component/accept.js').Imported} imported
 */
export function provides({ interface: where, owner, name, isStatic }) {
  const inside = own(own(EVERYTHING, where), owner ?? name);
  if (owner === undefined || inside === undefined) {
    return typeof inside === 'function';
  }
  return typeof own(isStatic ? inside : inside.prototype, name) === 'function';
}

/** A member that an object has itself: what all objects of JavaScript have is no import. */
function own(object, name) {
  return object !== undefined && Object.hasOwn(object, name) ? object[name] : undefined;
}
