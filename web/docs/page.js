// The description of the HTTP interface, made from /openapi.json: an index that can be searched, and for
// every operation its parameters, bodies, answers and a curl command. #operationId leads to an operation.

import { el } from '../dom.js';
import { curlOf } from './curl.js';
import { describe, exampleOf, fields, resolver, scopesOf } from './schema.js';

const METHODS = ['get', 'post', 'put', 'delete'];

// Of Markdown: paragraphs, `code` and **bold**; everything is text nodes.
function inline(text) {
  return text.split(/(`[^`]*`|\*\*[^*]*\*\*)/).filter(Boolean).map((part) => {
    if (part.startsWith('`')) return el('code', {}, part.slice(1, -1));
    if (part.startsWith('**')) return el('strong', {}, part.slice(2, -2));
    return part;
  });
}

const prose = (text) => (text ?? '').split(/\n\s*\n/).filter(Boolean).map((part) => el('p', {}, inline(part)));

const row = (cell, ...values) => el('tr', {}, values.map((value) => el(cell, {}, value)));

function table(heads, rows) {
  return rows.length === 0 ? null : el('table', {}, el('thead', {}, row('th', ...heads)), el('tbody', {}, rows));
}

function code(value) {
  return el('pre', { tabindex: '0' }, typeof value === 'string' ? value : JSON.stringify(value, null, 2));
}

function parameterRows(parameters, resolve) {
  return parameters.map((parameter) => row('td', el('code', {}, parameter.name),
    `${parameter.in}${parameter.required ? ', required' : ''}`, describe(parameter.schema, resolve),
    el('span', {}, inline(parameter.description ?? ''))));
}

function fieldRows(schema, resolve) {
  return fields(schema, resolve).map(([name, required, inner]) => row('td', el('code', {}, name),
    required ? 'required' : '', describe(inner, resolve), el('span', {}, inline(inner.description ?? resolve(inner).description ?? ''))));
}

function media(content, resolve) {
  return Object.entries(content ?? {}).flatMap(([type, body]) => {
    const example = exampleOf(body, resolve);
    return [el('p', {}, el('code', {}, type)),
      table(['Field', 'Needed', 'Type', 'Meaning'], fieldRows(body.schema ?? {}, resolve)),
      example === undefined ? null : code(example)];
  });
}

function answers(responses, resolve) {
  return Object.entries(responses).flatMap(([status, node]) => {
    const response = resolve(node);
    const content = media(response.content, resolve);
    const head = el('summary', {}, el('code', {}, status), ' ', inline(response.description ?? ''));
    return el('details', { open: status.startsWith('2') }, head, content);
  });
}

const oneOf = (scopes) => scopes.flatMap((scope, i) => [i ? ' or ' : '', el('code', {}, scope)]);

function article({ method, path, item, operation, scopes }, resolve) {
  const parameters = [...(item.parameters ?? []), ...(operation.parameters ?? [])].map(resolve);
  const body = operation.requestBody && resolve(operation.requestBody);
  const success = Object.entries(operation.responses).find(([status]) => status.startsWith('2'));
  const command = curlOf({
    origin: location.origin, method, path, parameters, body, answer: success && resolve(success[1]).content,
  }, resolve);
  return el('article', { id: operation.operationId },
    el('h3', {}, el('a', { href: `#${operation.operationId}` }, operation.summary)),
    el('p', {}, el('code', { class: 'method' }, method.toUpperCase()), el('code', {}, path)),
    scopes.length ? el('p', {}, 'On a server with tokens: scope ', oneOf(scopes)) : null,
    prose(operation.description), el('pre', { class: 'curl', tabindex: '0' }, command),
    table(['Parameter', 'Where', 'Type', 'Meaning'], parameterRows(parameters, resolve)),
    body ? [el('h4', {}, 'Body'), ...media(body.content, resolve)] : null,
    el('h4', {}, 'Answers'), answers(operation.responses, resolve));
}

function operationsOf(description) {
  return Object.entries(description.paths).flatMap(([path, item]) => METHODS.filter((method) => item[method])
    .map((method) => ({ method, path, item, operation: item[method],
      scopes: scopesOf(item[method].security ?? description.security) })));
}

// Links and sections of one tag; `entries` gets what the search hides and shows.
function section(tag, operations, resolve, entries) {
  const links = operations.map((entry) => {
    const link = el('a', { href: `#${entry.operation.operationId}` }, entry.operation.summary);
    const shown = article(entry, resolve);
    const words = `${entry.method} ${entry.path} ${shown.textContent}`.toLowerCase();
    entries.push({ link, shown, words });
    return [link, shown];
  });
  const index = el('section', {}, el('h4', {}, tag.name), links.map(([link]) => link));
  const body = el('section', {}, el('h2', {}, tag.name), prose(tag.description), links.map(([, shown]) => shown));
  return [index, body];
}

function search(entries, sections) {
  const field = /** @type {HTMLInputElement} */ (document.getElementById('search'));
  const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
  let count = 0;
  for (const entry of entries) {
    const fits = words.every((word) => entry.words.includes(word));
    entry.link.hidden = !fits;
    entry.shown.hidden = !fits;
    if (fits) count++;
  }
  for (const part of sections) part.hidden = !part.querySelector('a:not([hidden]), article:not([hidden])');
  document.getElementById('found').textContent = words.length > 0 ? `${count} found` : '';
}

function show(description) {
  const resolve = resolver(description);
  const operations = operationsOf(description);
  const entries = [];
  const parts = description.tags.map((tag) => section(tag,
    operations.filter((entry) => entry.operation.tags.includes(tag.name)), resolve, entries));
  const content = document.getElementById('content');
  content.append(el('h1', {}, `${description.info.title} ${description.info.version}`),
    el('p', {}, el('a', { href: '/openapi.yaml' }, 'openapi.yaml'), ' ', el('a', { href: '/openapi.json' }, 'openapi.json')),
    ...prose(description.info.description), ...parts.map(([, body]) => body));
  document.getElementById('index').append(...parts.map(([index]) => index));
  document.getElementById('search').addEventListener('input', () => search(entries, parts.flat()));
  // The target was not there when the browser looked for it.
  if (location.hash) location.replace(location.hash);
}

async function start() {
  try {
    const answer = await fetch('/openapi.json');
    if (!answer.ok) throw new Error(`the server answered ${answer.status}`);
    show(await answer.json());
  } catch (error) {
    document.getElementById('content').append(el('p', { role: 'alert' }, `The description did not load: ${error.message}`));
  }
}

start();
