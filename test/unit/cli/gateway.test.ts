/** Mistakes on the command line of `plumbline gateway`: each is one line, before anything is opened. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { checkAliases, hostsOf, originsOf } from '../../../src/cli/gateway-arguments.js'
import type { ServedModel } from '../../../src/inference/job.js'
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
    [
      ['--local', '--alias', 'whisper=nosuch'],
      /^--alias whisper=nosuch leads to no model that is served here; there are .*asr-small/,
    ],
    [
      ['--local', '--models', 'asr-small', '--alias', 'a=auto,b=asr-small,c=language-id'],
      /^--alias c=language-id leads .*; there are asr-small$/,
    ],
    [['--cors-origin', 'foo'], /^--cors-origin expects an origin .*, not "foo"; for example https:/],
    [['--cors-origin', '*'], /^--cors-origin expects an origin .*, not "\*"; for example https:/],
    [['--cors-origin', 'https://App.example:443/'], /; write https:\/\/app\.example$/],
    [['--allow-host', 'http://x'], /^--allow-host expects a host's name alone, not "http:\/\/x"; write x$/],
    [['--allow-host', 'x:80'], /; write x$/],
    [['--allow-host', 'a b'], /^--allow-host .*, not "a b"; for example speech\.example$/],
    [
      ['--local', '--memory', '0.00001'],
      /does not fit: have 0\.00 GiB, need 0\.\d\d GiB; raise the limit \(--memory, or .*\) to 0\.\d\d/,
    ],
    [
      ['--local', '--memory', '1000000'],
      /^--memory is more than this machine has: have [\d.]+ GiB, need 1000000 GiB; give at most [\d.]+, or/,
    ],
    [['--local', '--models', 'nothing'], /there is no model "nothing"; there are asr-small/],
  ])('%j is one clear line', async (args, line) => {
    const outcome = await gateway(args)
    expect(complaint(outcome)).toMatch(line)
    expect(outcome.status).toBeGreaterThan(0)
    expect(outcome.stdout).toBe('')
  })

  it('origins and host names that requests can say are taken, aliases of what nobody offers so far told', async () => {
    const origins = [
      'https://app.example',
      'http://[::1]:3000',
      'null',
      'chrome-extension://abc',
      'tauri://localhost',
    ]
    expect(await originsOf(origins)).toEqual(origins)
    const hosts = ['speech.example', '10.0.0.7', '[::1]', 'Speech.example']
    expect(await hostsOf(hosts)).toEqual(hosts)
    const warned: string[] = []
    const how = { isFinal: false, warn: (message: string) => warned.push(message) }
    const model = { id: 'asr-small', sha256: 'ab'.repeat(32), task: 'transcribe', languages: ['en'] } as const
    const served: ServedModel = {
      ...model,
      licence: null,
      unit: 'audio-second',
      priceWeiPerUnit: 0n,
      ownedBy: 'x',
      addedAtMs: 0,
    }
    const aliases = new Map([
      ['whisper', 'nosuch'],
      ['w', 'asr-small'],
      ['any', 'auto'],
    ])
    await checkAliases(aliases, [served], how)
    await checkAliases(aliases, [], how)
    expect(warned).toEqual([
      '--alias whisper=nosuch leads to no model that is offered so far; there are asr-small',
    ])
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
