// A host for connectors of the contract `flow:connector`, on Node.js.

export { Connector } from './connector.js';
export { GivenUp } from './desk.js';
export {
  Cancelled, ConnectorFailed, Err, Failure, HostFailed, PolicyRefused, refusal, Refused, TimeOut, Trap,
} from './failure.js';
export { Policy } from './policy.js';
export { VERSION as CONTRACT_VERSION } from './component/contract.js';
