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

// 'integer 1…500, default 50'
export function describe(node, resolve) {
  const schema = resolve(node);
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(' or ');
  const union = schema.oneOf ?? schema.anyOf;
  let text = union ? union.map((inner) => describe(inner, resolve)).join(' or ')
    : [schema.type ?? named(node) ?? (schema.allOf ? 'object' : 'bytes')].flat().join(' or ');
  if (schema.type === 'array') text = `array of ${describe(schema.items ?? {}, resolve)}`;
  if (schema.type === 'object' && named(node)) text = named(node);
  const low = schema.minimum ?? schema.minLength;
  const high = schema.maximum ?? schema.maxLength;
  if (low !== undefined || high !== undefined) text += ` ${low ?? ''}…${high ?? ''}`;
  if (schema.default !== undefined) text += `, default ${JSON.stringify(schema.default)}`;
  return text;
}

// [[name, required, schema], …] of an object and of what it is made of.
export function fields(node, resolve) {
  const schema = resolve(node);
  const required = new Set(schema.required ?? []);
  const own = Object.entries(schema.properties ?? {}).map(([name, inner]) => [name, required.has(name), inner]);
  return (schema.allOf ?? []).flatMap((part) => fields(part, resolve)).concat(own);
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
