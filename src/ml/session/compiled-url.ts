/** Where a module is that another process imports. */

/**
 * A sibling as it was compiled, also where the importer runs from `src/` under a test runner: a child process knows no
 * TypeScript.
 * @param importerUrl `import.meta.url` of the caller
 * @param path of the sibling, relative to it, ending in `.js`
 */
export function compiledUrl(importerUrl: string, path: string): URL {
  const here = new URL(path, importerUrl)
  return importerUrl.endsWith('.ts') ? new URL(here.href.replace(/\/src\/(?!.*\/src\/)/, '/dist/')) : here
}
