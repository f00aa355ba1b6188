// What a connector's C library imports and no connector gets: arguments, environment, input, terminals, files, UDP.
//
// The functions have to be there, so that the component can be instantiated; none of them gives anything away.

import { Err } from '../failure.js';
import { InputStream, NOTHING, OutputStream } from './streams.js';
import { Signal } from './poll.js';

export const environment = {
  getEnvironment: () => [],
  getArguments: () => [],
  initialCwd: () => undefined,
};

const leave = () => {
  throw new Error('the connector ended itself');
};

export const exit = { exit: leave, exitWithCode: leave };

export const stdin = { getStdin: () => new InputStream(NOTHING) };

/**
 * What the connector prints goes to `print`, in pieces as they come.
 *
 * @param {(bytes: Uint8Array) => void} print
 */
export function output(print) {
  const sink = { signal: new Signal(), isReady: () => true, room: () => 4096, write: print, isFlushed: () => true };
  return () => new OutputStream(sink);
}

class TerminalInput {}
class TerminalOutput {}

export const terminalInput = { TerminalInput };
export const terminalOutput = { TerminalOutput };
export const terminalStdin = { getTerminalStdin: () => undefined };
export const terminalStdout = { getTerminalStdout: () => undefined };
export const terminalStderr = { getTerminalStderr: () => undefined };

/** A class whose methods exist and whose objects do not: nothing makes one. */
function never(...methods) {
  const owner = class {};
  for (const name of methods) {
    owner.prototype[name] = () => {
      throw new Error(`the connector calls ${name} of something that it was never given`);
    };
  }
  return owner;
}

export const preopens = { getDirectories: () => [] };

export const filesystem = {
  Descriptor: never(
    'readViaStream', 'writeViaStream', 'appendViaStream', 'advise', 'syncData', 'getFlags', 'getType', 'setSize', 'setTimes',
    'read', 'write', 'readDirectory', 'sync', 'createDirectoryAt', 'stat', 'statAt', 'setTimesAt', 'linkAt', 'openAt',
    'readlinkAt', 'removeDirectoryAt', 'renameAt', 'symlinkAt', 'unlinkFileAt', 'isSameObject', 'metadataHash',
    'metadataHashAt',
  ),
  DirectoryEntryStream: never('readDirectoryEntry'),
  filesystemErrorCode: () => undefined,
};

export const udp = {
  UdpSocket: never(
    'startBind', 'finishBind', 'stream', 'localAddress', 'remoteAddress', 'addressFamily', 'unicastHopLimit',
    'setUnicastHopLimit', 'receiveBufferSize', 'setReceiveBufferSize', 'sendBufferSize', 'setSendBufferSize', 'subscribe',
  ),
  IncomingDatagramStream: never('receive', 'subscribe'),
  OutgoingDatagramStream: never('checkSend', 'send', 'subscribe'),
};

export const udpCreateSocket = {
  createUdpSocket() {
    throw new Err('access-denied');
  },
};
