// Types of the REST interfaces, from the services' OpenAPI documents. `--check` only says whether the
// committed ones are fresh.
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import openapiTS, { astToString } from 'openapi-typescript';

const SERVICES = ['account', 'conversation', 'message', 'file-upload'];
const documents = new URL(process.env.PARLANCE_OPENAPI ?? '../../docs/openapi/', import.meta.url);
const generated = new URL('../src/shared/api/generated/', import.meta.url);
const check = process.argv.includes('--check');

await mkdir(generated, { recursive: true });
let stale = 0;
for (const service of SERVICES) {
  const document = JSON.parse(await readFile(new URL(`${service}.json`, documents), 'utf8'));
  const types = astToString(await openapiTS(document, { defaultNonNullable: false }));
  const text = `// Made by \`npm run generate\` from docs/openapi/${service}.json.\n${types}`;
  const file = new URL(`${service}.ts`, generated);
  if (!check) {
    await writeFile(file, text);
  } else if ((await readFile(file, 'utf8').catch(() => '')) !== text) {
    console.error(`${fileURLToPath(file)} is stale: run \`npm run generate\``);
    stale += 1;
  }
}
process.exitCode = stale === 0 ? 0 : 1;
