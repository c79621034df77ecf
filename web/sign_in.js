// The dialog that asks for a token where the server wants one, and the button that says who one is and
// signs out.

import { el } from './dom.js';
import { session } from './session.js';

function signInDialog() {
  const token = el('input', { type: 'password', id: 'token', autocomplete: 'current-password', required: true,
    'aria-describedby': 'token-error' });
  const error = el('p', { id: 'token-error', class: 'wrong', role: 'alert' });
  const button = el('button', { type: 'submit', class: 'primary' }, 'Sign in');
  const dialog = el('dialog', { class: 'sure sign-in', 'aria-labelledby': 'sign-in-title' },
    el('form', { method: 'dialog' }, el('h2', { id: 'sign-in-title' }, 'Sign in'),
      el('p', {}, 'This server asks for a token. Whoever runs it makes one with ', el('code', {}, 'genseg token create'), '.'),
      el('label', { for: 'token' }, 'Token'), token, error, button));
  dialog.addEventListener('cancel', (event) => event.preventDefault());
  dialog.addEventListener('submit', async (event) => {
    event.preventDefault();
    button.disabled = true;
    error.textContent = '';
    try {
      error.textContent = await session.begin(token.value.trim()) ?? '';
    } catch {
      error.textContent = 'The server does not answer.';
    }
    button.disabled = false;
    token.value = '';
    if (!session.isNeeded) return dialog.close();
    token.focus();
  });
  return dialog;
}

const dialog = signInDialog();

// Resolves when calls may be made: at once without --auth, else when someone is signed in.
export async function signedIn() {
  document.body.append(dialog);
  try {
    await session.load();
  } catch {
    return; // the first call finds the server away, too, and waits for it
  }
  if (!session.isNeeded) return;
  dialog.showModal();
  await new Promise((resolve) => { session.addEventListener('begun', resolve, { once: true }); });
}

session.addEventListener('ended', () => { if (!dialog.open) dialog.showModal(); });

// For the page's head: empty where nobody signs in.
export function accountButton() {
  const button = el('button', { type: 'button', class: 'quiet account', hidden: true, onclick: () => session.leave() },
    'Sign out');
  const show = () => {
    button.hidden = session.name === null;
    button.title = `Signed in with ${session.scopes.join(', ')}`;
    button.textContent = `${session.name}: sign out`;
  };
  for (const event of ['begun', 'ended']) session.addEventListener(event, show);
  return button;
}
