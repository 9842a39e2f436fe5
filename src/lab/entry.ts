/**
 * Where the laboratory's child processes begin. A child must be plain JavaScript, since it runs in its own
 * `node` without a loader: seen from `src/*.ts` (tests), the compiled twin under `dist/` is meant.
 */
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { UserError } from '../errors.js'

/**
 * Path of the compiled entry point that stands beside `importerUrl`.
 *
 * @param importerUrl `import.meta.url` of the caller, under `src/` or `dist/`
 * @param file name of the entry with its `.js` suffix, relative to the caller
 * @throws UserError NOT_FOUND where it has not been compiled yet
 */
export function compiledEntry(importerUrl: string, file: string): string {
  const beside = new URL(file, importerUrl)
  const compiled = importerUrl.endsWith('.ts')
    ? new URL(beside.href.replace(/\/src\/(?!.*\/src\/)/, '/dist/'))
    : beside
  const path = fileURLToPath(compiled)
  if (!existsSync(path))
    throw new UserError(`${path} is missing`, { code: 'NOT_FOUND', remedy: 'run npm run build' })
  return path
}
