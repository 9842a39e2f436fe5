#!/usr/bin/env node
/**
 * Writes docs/cli.md from the command definitions: `npm run build && node scripts/cli-docs.mjs`. With `--check` it
 * only compares; exit status 1 where the file is out of date.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const path = fileURLToPath(new URL('../docs/cli.md', import.meta.url))
const { COMMANDS } = await import('../dist/cli/commands.js')
const { cliDocs } = await import('../dist/cli/docs.js')
const text = cliDocs(COMMANDS)
if (process.argv.includes('--check')) {
  if (readFileSync(path, 'utf8') !== text) {
    console.error('docs/cli.md is out of date: run npm run build && node scripts/cli-docs.mjs')
    process.exit(1)
  }
} else writeFileSync(path, text)
