/**
 * TypeScript of the contracts' interfaces: src/chain/generated/, made from forge's output, committed, and compared by
 * the test command. The package deploys from it without a compiler.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const folder = fileURLToPath(new URL('../src/chain/generated/', import.meta.url))
const HEAD = '// Made by `node scripts/contracts.mjs build`; do not edit by hand.\n'

/** `StakeRegistry` -> `stakeRegistry` */
const camel = (name) => name[0].toLowerCase() + name.slice(1)
/** `StakeRegistry` -> `stake-registry` */
const kebab = (name) => name.replace(/(?<=[a-z0-9])(?=[A-Z])/g, '-').toLowerCase()
/** Compiler notes that no client reads. */
const lean = (value) =>
  Array.isArray(value)
    ? value.map(lean)
    : typeof value === 'object' && value !== null
      ? Object.fromEntries(
          Object.entries(value)
            .filter(([key]) => key !== 'internalType')
            .map(([key, inner]) => [key, lean(inner)]),
        )
      : value

/** Every generated file's text by name, from `{ name: { abi, bytecode } }`. */
function bindings(contracts) {
  const files = new Map()
  for (const [name, { abi }] of Object.entries(contracts)) {
    const entries = abi.map((entry) => `  ${JSON.stringify(lean(entry))},\n`).join('')
    files.set(`${kebab(name)}.ts`, `${HEAD}export const ${camel(name)}Abi = [\n${entries}] as const\n`)
  }
  const codes = Object.entries(contracts)
    .map(([name, { bytecode }]) => `export const ${camel(name)}Bytecode =\n  '${bytecode}' as const\n`)
    .join('\n')
  files.set('bytecode.ts', `${HEAD}${codes}`)
  return files
}

export function writeBindings(contracts) {
  mkdirSync(folder, { recursive: true })
  for (const [name, text] of bindings(contracts)) writeFileSync(join(folder, name), text)
}

/** Names of generated files that are not what the contracts say now. */
export function staleBindings(contracts) {
  return [...bindings(contracts)].flatMap(([name, text]) => {
    const path = join(folder, name)
    return existsSync(path) && readFileSync(path, 'utf8') === text ? [] : [`src/chain/generated/${name}`]
  })
}
