// Writes foretoken.schema.json, the JSON Schema of configuration files: run `npm run build`, then `node scripts/config-schema.mjs`.
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const { configJsonSchema } = await import('../dist/core/index.js');
writeFileSync(fileURLToPath(new URL('../foretoken.schema.json', import.meta.url)), `${JSON.stringify(await configJsonSchema(), null, 2)}\n`);
