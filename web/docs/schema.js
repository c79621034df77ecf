// What a schema of openapi.json says, in words. Pure functions.

export function resolver(document) {
  return function resolve(node) {
    let at = node;
    for (let depth = 0; at && at.$ref && depth < 8; depth++) {
      at = at.$ref.split('/').slice(1).reduce((inner, key) => inner[key], document);
    }
    return at ?? {};
  };
}

const named = (node) => node.$ref && node.$ref.startsWith('#/components/schemas/') && node.$ref.split('/').pop();

// Of a schema that says no type.
const kindOf = (node, schema) => {
  if (schema.contentMediaType) return 'bytes';
  return named(node) || (schema.allOf || schema.properties ? 'object' : 'any');
};

// 'integer 1…500, default 50'
export function describe(node, resolve) {
  const schema = resolve(node);
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  const union = schema.oneOf ?? schema.anyOf;
  let text = union ? union.map((inner) => describe(inner, resolve)).join(' or ')
    : [schema.type ?? kindOf(node, schema)].flat().join(' or ');
  if (schema.enum) text = schema.enum.map((value) => JSON.stringify(value)).join(' or ');
  if (schema.type === 'array') text = `array of ${describe(schema.items ?? {}, resolve)}`;
  if (schema.type === 'object' && named(node)) text = named(node);
  const low = schema.minimum ?? schema.minLength;
  const high = schema.maximum ?? schema.maxLength;
  if (schema.exclusiveMinimum !== undefined) text += ` above ${schema.exclusiveMinimum}`;
  if (low !== undefined || high !== undefined) text += ` ${low ?? ''}…${high ?? ''}`;
  if (schema.default !== undefined) text += `, default ${JSON.stringify(schema.default)}`;
  return text;
}

// The fields of an object and of what it is made of: name to [required, schema]. A part may say more of a field that
// another part has.
function members(node, resolve, found = new Map()) {
  const schema = resolve(node);
  for (const part of schema.allOf ?? []) members(part, resolve, found);
  const required = new Set(schema.required ?? []);
  for (const [name, inner] of Object.entries(schema.properties ?? {})) {
    const before = found.get(name);
    found.set(name, before ? [before[0] || required.has(name), { ...before[1], ...inner }] : [required.has(name), inner]);
  }
  return found;
}

// [[name, required, schema], …]; what objects without a name of their own hold follows them as 'outer.inner'.
export function fields(node, resolve, prefix = '') {
  return [...members(node, resolve)].flatMap(([name, [required, inner]]) => {
    const isList = inner.type === 'array';
    const own = isList ? inner.items ?? {} : inner;
    const more = own.properties ? fields(own, resolve, `${prefix}${name}${isList ? '[]' : ''}.`) : [];
    return [[prefix + name, required, inner], ...more];
  });
}

// What a schema gives as an example; of a page, one with an item.
function exampleOfSchema(node, resolve) {
  const schema = resolve(node ?? {});
  if (schema.examples) return schema.examples[0];
  const items = (schema.allOf ?? []).map((part) => part.properties?.items?.items).find(Boolean);
  return items && { items: [exampleOfSchema(items, resolve)], next_cursor: null };
}

// The example of a media type, of its schema, or undefined.
export function exampleOf(media, resolve) {
  return media.example !== undefined ? media.example : exampleOfSchema(media.schema, resolve);
}

// The scopes of which a token needs one; none where anyone may ask.
export const scopesOf = (security) => [...new Set((security ?? []).flatMap((way) => Object.values(way).flat()))];
