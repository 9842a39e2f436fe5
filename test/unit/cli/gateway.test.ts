/** Mistakes on the command line of `plumbline gateway`: each is one line, before anything is opened. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { complaint, run } from './in-process.js'

const KEY = 'a-key-of-some-thirty-characters'
let home: string
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'plumbline-gateway-'))
})
afterAll(() => rm(home, { recursive: true, force: true }))

const gateway = (args: readonly string[], env: Readonly<Record<string, string>> = {}) =>
  run(['gateway', ...args], { env: { PLUMBLINE_DATA_DIR: home, ...env } })

describe('plumbline gateway', () => {
  it.each([
    [['--local', '--listen', '4030'], /--listen expects host:port, not "4030"; for example/],
    [['--local', '--listen', '127.0.0.1:65536'], /--listen expects host:port/],
    [['--local', '--listen', '0.0.0.0:0'], /0\.0\.0\.0 can be reached from other machines.*--api-keys/],
    [['--local', '--alias', 'whisper-1'], /--alias expects name=model, not "whisper-1"/],
    [['--local', '--upstream', 'http://127.0.0.1:9/v1'], /--local and --upstream exclude each other/],
    [['--upstream', 'file:///etc/passwd'], /is no address of a server; give it like https:/],
    [['--upstream', 'http://127.0.0.1:9/v1', '--upstream-model', 'a=sing'], /sing is no task; choose/],
    [['--models', 'asr-small', '--threads', '2'], /--models and --threads are for models.*; add --local/],
    [['--memory', '1', '--upstream', 'http://127.0.0.1:9/v1'], /--memory is for models.*; add --local/],
    [['--upstream-model', 'w=transcribe'], /--upstream-model is for a server.*; name it with --upstream/],
    [['--local', '--upstream-key-file', 'k'], /--upstream-key-file is for a server behind the gateway/],
    [
      ['--local', '--unaudited', '--any-model'],
      /--any-model and --unaudited are for what is bought.*--local/,
    ],
    [
      ['--upstream', 'http://127.0.0.1:9/v1', '--bootstrap', '/ip4/1.2.3.4/tcp/1'],
      /leave out --upstream, or/,
    ],
    [
      ['--local', '--max-price', '1 wei'],
      /--max-price is for what is bought from the network; leave out --local/,
    ],
    [['--local', '--models', 'nothing'], /there is no model "nothing"; there are asr-small/],
  ])('%j is one clear line', async (args, line) => {
    const outcome = await gateway(args)
    expect(complaint(outcome)).toMatch(line)
    expect(outcome.status).toBeGreaterThan(0)
    expect(outcome.stdout).toBe('')
  })

  it('keys that could be guessed, or that others may read, are refused and not shown', async () => {
    const file = async (content: string, mode: number): Promise<string> => {
      const path = join(home, `keys-${mode}-${content.length}`)
      await writeFile(path, content, { mode })
      return path
    }
    const cases: readonly (readonly [string, RegExp])[] = [
      [await file(KEY, 0o644), /may be read by others on this machine; chmod 600/],
      [await file('short-key', 0o600), /API key 1 has 9 characters; keys have at least 24/],
      [await file('# none yet\n', 0o600), /holds no key; write one API key a line/],
      [await file(`${KEY} and more words`, 0o600), /holds a space/],
      [join(home, 'nowhere'), /cannot be read \(ENOENT\)/],
    ]
    for (const [path, line] of cases) {
      const outcome = await gateway(['--local', '--api-keys', path])
      expect(complaint(outcome)).toMatch(line)
      expect(outcome.stderr).not.toContain(KEY)
    }
    const inEnvironment = await gateway(['--local'], { PLUMBLINE_API_KEYS: `${KEY},short` })
    expect(complaint(inEnvironment)).toMatch(/API key 2 has 5 characters/)
  })
})
