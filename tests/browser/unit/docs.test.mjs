// What the page at /docs says of schemas, run by Node's own test runner (see test_modules.py).

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { describe, exampleOf, fields, resolver, scopesOf } from '../web/docs/schema.js';

const schemas = {
  Slice: { type: 'object', properties: { id: { type: 'string' } }, examples: [{ id: 'slc_1' }] },
  Bytes: { contentMediaType: 'application/octet-stream' },
  Page: { type: 'object', required: ['items'], properties: { items: { type: 'array' }, next_cursor: { type: 'string' } } },
};
const resolve = resolver({ components: { schemas } });
const slice = { $ref: '#/components/schemas/Slice' };
const page = { allOf: [{ $ref: '#/components/schemas/Page' }, { properties: { items: { items: slice } } }] };

test('types in words', () => {
  assert.equal(describe({ type: 'integer', minimum: 1, maximum: 500, default: 50 }, resolve), 'integer 1…500, default 50');
  assert.equal(describe({ type: 'number', exclusiveMinimum: 0, maximum: 1 }, resolve), 'number above 0 …1');
  assert.equal(describe({ enum: ['a', 'b'], default: 'a' }, resolve), '"a" or "b", default "a"');
  assert.equal(describe({ type: ['string', 'null'] }, resolve), 'string or null');
  assert.equal(describe({ type: 'array', items: slice }, resolve), 'array of Slice');
  assert.equal(describe({ $ref: '#/components/schemas/Bytes' }, resolve), 'bytes');
  assert.equal(describe({ anyOf: [slice, { type: 'null' }] }, resolve), 'Slice or null');
  assert.equal(describe({}, resolve), 'any');
});

test('a page has its items once, and they are what it is a page of', () => {
  const rows = fields(page, resolve);
  assert.deepEqual(rows.map(([name, required]) => [name, required]), [['items', true], ['next_cursor', false]]);
  assert.equal(describe(rows[0][2], resolve), 'array of Slice');
  assert.deepEqual(exampleOf({ schema: page }, resolve), { items: [{ id: 'slc_1' }], next_cursor: null });
});

test('objects without a name are taken apart, others named', () => {
  const schema = { type: 'object', properties: {
    counts: { type: 'object', required: ['all'], properties: { all: { type: 'integer' } } },
    list: { type: 'array', items: { type: 'object', properties: { seed: { type: 'integer' }, of: slice } } },
  } };
  assert.deepEqual(fields(schema, resolve).map(([name, required]) => [name, required]), [['counts', false],
    ['counts.all', true], ['list', false], ['list[].seed', false], ['list[].of', false]]);
});

test('a media type has its own example before that of its schema', () => {
  assert.deepEqual(exampleOf({ example: 1, schema: slice }, resolve), 1);
  assert.deepEqual(exampleOf({ schema: slice }, resolve), { id: 'slc_1' });
  assert.equal(exampleOf({ schema: { type: 'string' } }, resolve), undefined);
});

test('the scope of a call', () => {
  const either = (...scopes) => scopes.flatMap((scope) => [{ bearer: [scope] }, { session: [scope] }]);
  assert.deepEqual(scopesOf(either('annotate')), ['annotate']);
  assert.deepEqual(scopesOf(either('annotate', 'train')), ['annotate', 'train']);
  assert.deepEqual(scopesOf([]), []);
  assert.deepEqual(scopesOf(undefined), []);
});
