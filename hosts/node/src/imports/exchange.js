// `flow:connector/exchange`: payloads between the flow and the connector.

import { refusal } from '../failure.js';
import { Reader } from './reader.js';
import { Writer } from './writer.js';

/** @param {() => import('../call.js').Call} current the call that is under way */
export function exchange(current) {
  return {
    Reader,
    Writer,

    async begin(metadata) {
      const call = current();
      checkCancelled(call);
      if (!call.takesPayloads) {
        return { tag: 'stop' };
      }
      if (metadata.id === '') {
        throw refusal('invalid-settings', "the payload's id is empty");
      }
      call.desk.checkMetadata(metadata);
      if (call.desk.hasAccepted(metadata)) {
        return { tag: 'accepted' };
      }
      call.desk.checkCount();
      const answer = (await call.tell('offered', metadata)) ?? 'stop';
      if (typeof answer !== 'function') {
        return { tag: answer };
      }
      return { tag: 'accept', val: new Writer(call, metadata, answer) };
    },

    next() {
      const call = current();
      checkCancelled(call);
      const incoming = call.desk.next();
      return incoming && new Reader(call, incoming);
    },

    async report(id, problem) {
      const call = current();
      call.desk.reported();
      await call.tell('reported', id, problem);
    },
  };
}

function checkCancelled(call) {
  if (call.isCancelled) {
    throw refusal('cancelled', 'the run is being cancelled');
  }
}
