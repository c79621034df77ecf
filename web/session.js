// Who one is: GET /v1/session, signing in with a token, and the header that writes carry because the browser
// sends the cookie by itself. Dispatches 'begun' and 'ended'.

const PATH = '/v1/session';

class Session extends EventTarget {
  auth = false;
  name = null;
  scopes = [];
  #csrf = null;

  get isNeeded() {
    return this.auth && this.name === null;
  }

  #take({ auth, name, scopes, csrf_token: csrf }) {
    Object.assign(this, { auth, name, scopes });
    this.#csrf = csrf;
  }

  // Throws when the server cannot be asked.
  async load() {
    const response = await fetch(PATH);
    if (!response.ok) return;
    this.#take(await response.json());
    if (this.name !== null) this.dispatchEvent(new Event('begun'));
  }

  // Null, or why not.
  async begin(token) {
    const response = await fetch(PATH, {
      method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ token }),
    });
    const answer = await response.json();
    if (!response.ok) return answer.detail ?? `the server answered ${response.status}`;
    this.#take(answer);
    this.dispatchEvent(new Event('begun'));
    return null;
  }

  async leave() {
    await fetch(PATH, { method: 'DELETE', headers: this.headersFor('DELETE') });
    this.end();
  }

  // The server said 401: what was begun is over.
  end() {
    if (!this.auth) return;
    Object.assign(this, { name: null, scopes: [] });
    this.#csrf = null;
    this.dispatchEvent(new Event('ended'));
  }

  headersFor(method) {
    return this.#csrf && method !== 'GET' ? { 'X-CSRF-Token': this.#csrf } : {};
  }
}

export const session = new Session();
