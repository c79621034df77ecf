// Server-sent events over fetch. Unlike EventSource this can start after a given event, tells a problem
// answer from a lost connection, hears every event name, and does not reconnect once told to stop.

import { open, Problem, sleep } from './api.js';

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 8000;

// Cuts a text stream into events. feed(text) returns [{ id, name, data }, ...]; state stays inside.
export class EventParser {
  #rest = '';
  #id = '';
  #name = '';
  #data = [];

  feed(text) {
    const events = [];
    const lines = (this.#rest + text).split(/\r\n|\n|\r(?!$)/);
    this.#rest = lines.pop();
    for (const line of lines) {
      if (line === '') {
        if (this.#data.length) {
          events.push({ id: this.#id, name: this.#name || 'message', data: this.#data.join('\n') });
        }
        this.#name = '';
        this.#data = [];
      } else {
        this.#field(line);
      }
    }
    return events;
  }

  #field(line) {
    const colon = line.indexOf(':');
    if (colon === 0) return; // a comment, sent to keep the connection alive
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (field === 'id') this.#id = value;
    else if (field === 'event') this.#name = value;
    else if (field === 'data') this.#data.push(value);
  }
}

// Follows an event stream until `signal` aborts or `onEvent` returns true (nothing more will come).
// Reconnects after the last event seen. Throws the Problem of an answer that is not a stream.
export async function follow(path, { signal, onEvent }) {
  let last = '';
  let wait = FIRST_WAIT_MS;
  while (!signal.aborted) {
    try {
      const headers = { Accept: 'text/event-stream', ...(last && { 'Last-Event-ID': last }) };
      const response = await open('GET', path, { headers, signal });
      if (response.status === 204) return; // nothing follows the last event
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      const parser = new EventParser();
      for (let part = await reader.read(); !part.done; part = await reader.read()) {
        for (const event of parser.feed(part.value)) {
          last = event.id || last;
          wait = FIRST_WAIT_MS;
          if (onEvent(event)) {
            await reader.cancel();
            return;
          }
        }
      }
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof Problem) throw error;
    }
    await sleep(wait, signal);
    wait = Math.min(2 * wait, LONGEST_WAIT_MS);
  }
}
