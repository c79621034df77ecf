// Prints [{operation, command, example}, …] as JSON: the curl commands of the page at /docs, and what it shows as
// their answers in JSON. Arguments: the folder web/docs as a module would import it, openapi.json, the server's address.
import { readFileSync } from 'node:fs';

const [folder, description, origin] = process.argv.slice(2);
// The files are modules for browsers, without a package.json that says so to node.
const load = (name, replace = (text) => text) => {
  const text = replace(readFileSync(`${folder}/${name}`, 'utf8'));
  return `data:text/javascript;base64,${Buffer.from(text).toString('base64')}`;
};
const schema = load('schema.js');
const { exampleOf, resolver } = await import(schema);
const { curlOf } = await import(load('curl.js', (text) => text.replace('./schema.js', schema)));

const document = JSON.parse(readFileSync(description, 'utf8'));
const resolve = resolver(document);
const commands = [];
for (const [path, item] of Object.entries(document.paths)) {
  for (const method of ['get', 'post', 'put', 'delete']) {
    const operation = item[method];
    if (!operation) continue;
    const parameters = [...(item.parameters ?? []), ...(operation.parameters ?? [])].map(resolve);
    const body = operation.requestBody && resolve(operation.requestBody);
    const success = Object.entries(operation.responses).find(([status]) => status.startsWith('2'));
    const answer = success && resolve(success[1]).content;
    const json = answer?.['application/json'];
    commands.push({ method, path, operation: operation.operationId, example: json && exampleOf(json, resolve),
      command: curlOf({ origin, method, path, parameters, body, answer }, resolve) });
  }
}
console.log(JSON.stringify(commands));
