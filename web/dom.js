// Building elements. Text only ever arrives as text nodes: nothing a client stored can become markup.

const SVG = 'http://www.w3.org/2000/svg';

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else if (name === 'value' || name === 'checked' || name === 'disabled') element[name] = value;
    else element.setAttribute(name, value === true ? '' : value);
  }
  element.append(...children.flat().filter((child) => child !== undefined && child !== null && child !== false));
  return element;
}

// el('button', { class: 'primary', onclick: start }, 'Start')
export const el = (tag, attributes = {}, ...children) =>
  fill(document.createElement(tag), attributes, children);
export const svg = (tag, attributes = {}, ...children) =>
  fill(document.createElementNS(SVG, tag), attributes, children);

// A row of buttons of which one is pressed. choices: [[value, text, hint], ...]; names the chosen value to
// onChange. The returned element has `.choose(value)`, which does not call onChange.
export function choice(label, choices, onChange) {
  const buttons = choices.map(([value, text, hint]) => el('button', {
    type: 'button', 'data-value': value, title: hint, 'aria-pressed': 'false',
    onclick: () => {
      group.choose(value);
      onChange(value);
    },
  }, text));
  const group = el('div', { class: 'choice', role: 'group', 'aria-label': label }, buttons);
  // A click leaves the keyboard focus where it was, so that space keeps its meaning in the viewer.
  group.addEventListener('mousedown', (event) => event.preventDefault());
  group.choose = (value) => {
    for (const button of buttons) {
      button.setAttribute('aria-pressed', String(button.dataset.value === String(value)));
    }
  };
  return group;
}

// A labelled slider with its value beside it. The element has `.value` (number) to read and set.
export function slider({ label, id, min, max, step, value, format, onInput }) {
  const output = el('output', { for: id });
  const input = el('input', { type: 'range', id, min, max, step });
  input.value = value;
  const show = () => {
    output.textContent = format(Number(input.value));
    input.style.setProperty('--fill', `${((input.value - min) / (max - min)) * 100}%`);
  };
  input.addEventListener('input', () => {
    show();
    onInput(Number(input.value));
  });
  show();
  return el('div', { class: 'slider' }, el('label', { for: id }, label), input, output);
}

export function toggle({ label, id, checked, onChange }) {
  const input = el('input', { type: 'checkbox', id, checked, onchange: () => onChange(input.checked) });
  return el('label', { class: 'toggle', for: id }, input, el('span', {}, label));
}

// Calls `work` once things have been quiet for `ms`.
export function debounced(ms, work) {
  let timer = 0;
  return (...values) => {
    clearTimeout(timer);
    timer = setTimeout(() => work(...values), ms);
  };
}
