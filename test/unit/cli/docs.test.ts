import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { COMMANDS } from '../../../src/cli/commands.js'
import { completionScript } from '../../../src/cli/completion-scripts.js'
import { cliDocs } from '../../../src/cli/docs.js'

describe('docs/cli.md', () => {
  it('is what the command definitions say (node scripts/cli-docs.mjs)', () => {
    const path = fileURLToPath(new URL('../../../docs/cli.md', import.meta.url))
    expect(readFileSync(path, 'utf8')).toBe(cliDocs(COMMANDS))
  })
})

describe('completion for bash', () => {
  const script = completionScript('bash', COMMANDS)
  /** What bash offers after these words, the last one being typed. */
  const offers = (...words: string[]): string[] => {
    const quoted = ['plumbline', ...words].map((word) => `'${word}'`).join(' ')
    const program = `${script}\nCOMP_WORDS=(${quoted})\nCOMP_CWORD=${words.length}\n_plumbline\nprintf '%s\\n' "\${COMPREPLY[@]}"`
    return execFileSync('bash', ['-c', program], { encoding: 'utf8' }).split('\n').filter(Boolean)
  }

  it('offers commands, subcommands, options and the words of an option', () => {
    expect(offers('')).toEqual(expect.arrayContaining(['init', 'measure', 'keys', '--help']))
    expect(offers('mea')).toEqual(['measure'])
    expect(offers('keys', '')).toEqual(['list', 'import', 'export', '--help'])
    expect(offers('measure', '--cl')).toEqual(['--claim'])
    expect(offers('measure', 'peer', '--profile', 's')).toEqual(['standard', 'strict'])
  })

  it('leaves file names to the shell', () => {
    expect(offers('verify', '')).toEqual([])
    expect(offers('status', '--data-dir', '')).toEqual([])
    expect(offers('verify', '--le')).toEqual(['--level'])
  })
})

describe('completion for zsh and fish', () => {
  it.each(['zsh', 'fish'] as const)('%s names every command and option', (shell) => {
    const script = completionScript(shell, COMMANDS)
    for (const command of COMMANDS) {
      for (const word of command.path.split(' ')) expect(script).toContain(word)
      for (const name of Object.keys(command.options)) expect(script).toContain(name)
    }
    // Quotes in summaries must not end a string early.
    const quotes = script.replaceAll("\\'", '').replaceAll('\\\\', '').match(/'/g)?.length ?? 0
    expect(quotes % 2).toBe(0)
  })
})
