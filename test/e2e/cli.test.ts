/** The command line from outside: what a shell sees. The commands' own behaviour is tested in test/unit/cli. */
import { execFile, spawnSync } from 'node:child_process'
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { cli, ended, ensureBuilt, MAIN, shows, start } from './cli-process.js'

let root: string
const file = (name: string): string => join(root, name)
const env = { PLUMBLINE_PASSPHRASE: 'correct horse' }
const init = (name: string) =>
  cli(['init', '--data-dir', file(name), '--key-cost', 'light', '--json'], { env })

beforeAll(async () => {
  ensureBuilt()
  root = await mkdtemp(join(tmpdir(), 'plumbline-cli-'))
})
afterAll(() => rm(root, { recursive: true, force: true }))

describe('plumbline', () => {
  it('shows help and version on standard output, status 0', async () => {
    const [bare, help, command, version] = await Promise.all([
      cli([]),
      cli(['--help']),
      cli(['help', 'measure']),
      cli(['--version']),
    ])
    expect(help).toMatchObject({ status: 0, stderr: '' })
    expect(bare).toEqual(help)
    expect(command?.stdout).toMatch(/^Usage: plumbline measure <peer>/)
    const { version: expected } = JSON.parse(
      await readFile(new URL('../../package.json', import.meta.url), 'utf8'),
    )
    expect(version).toEqual({ status: 0, stdout: `plumbline ${expected}\n`, stderr: '' })
  })

  it.skipIf(process.platform !== 'linux')('ends with 1 and one line where its result is not written', () => {
    const into = (script: string) =>
      spawnSync('bash', ['-c', script], { encoding: 'utf8', env: { ...process.env, MAIN } })
    const line =
      /^plumbline: the result could not be written: the disk is full \(ENOSPC, write\); make room\n$/
    for (const args of ['models list', 'models list --json', 'models list --json-stream']) {
      const { status, stderr } = into(`node "$MAIN" ${args} --data-dir ${file('none')} > /dev/full`)
      expect([args, status, stderr]).toEqual([args, 1, expect.stringMatching(line)])
    }
    // A system that takes the beginning alone says so with the next write.
    const half = into(`ulimit -f 1; node "$MAIN" --help > ${file('half')}`)
    expect([half.status, half.stderr]).toEqual([
      1,
      expect.stringMatching(/^plumbline: the result could not be written: .*EFBIG.*\n$/),
    ])
    // Who reads no more of it wants no more.
    expect(into('set -o pipefail; node "$MAIN" --help | true')).toMatchObject({ status: 0, stderr: '' })
  })

  it('ends with 2 and one line for wrong usage, with 1 and one line for a circumstance', async () => {
    const [usage, missing, broken, object] = await Promise.all([
      cli(['mesure']),
      cli(['status', '--data-dir', file('none')]),
      writeFile(file('bad.yaml'), 'network:\n  lisen: []\n').then(() =>
        cli(['doctor', '--no-key', '--config', file('bad.yaml'), '--json']),
      ),
      cli(['keys', 'list', '--data-dir', file('none'), '--json']),
    ])
    expect(usage).toEqual({
      status: 2,
      stdout: '',
      stderr: 'plumbline: unknown command "mesure"; did you mean "measure"?\n',
    })
    expect(missing?.status).toBe(1)
    expect(missing?.stderr).toMatch(/^plumbline: no daemon runs here; .*\n$/)
    expect(broken?.status).toBe(1)
    expect(JSON.parse(broken?.stdout ?? '').findings[0]).toMatchObject({
      check: 'configuration',
      verdict: 'problem',
      message: expect.stringContaining('bad.yaml:2:3: unknown key "network.lisen"'),
      remedy: 'did you mean "network.listen"?',
    })
    expect(JSON.parse(object?.stdout ?? '')).toMatchObject({ error: { code: 'NOT_FOUND' } })
    expect(object?.stderr).toMatch(/^plumbline: [^\n]*\n$/)
  })

  it('refuses bad configuration and variables in one line that says where they come from', async () => {
    await writeFile(file('list.yaml'), '[]')
    const sign = (args: string[], variables = {}) =>
      cli(['registry', 'sign', file('list.yaml'), ...args], { env: { ...env, ...variables } })
    await writeFile(file('range.yaml'), 'prover:\n  claimMbps: -3\n')
    await writeFile(file('torn.yaml'), 'prover: [')
    const outcomes = await Promise.all([
      sign(['--config', file('range.yaml')]),
      sign(['--config', file('torn.yaml')]),
      sign(['--config', file('gone.yaml')]),
      sign([], { PLUMBLINE_NETWORK_MAX_PEERS: 'many' }),
    ])
    for (const [i, expected] of [
      /range\.yaml:2:3: prover\.claimMbps: /,
      /torn\.yaml:\d+:\d+: .*mend the YAML/,
      /cannot read the configuration file .*gone\.yaml/,
      /PLUMBLINE_NETWORK_MAX_PEERS: expected a number, got "many"/,
    ].entries()) {
      expect(outcomes[i]?.stderr).toMatch(expected)
      expect(outcomes[i]?.stderr.trimEnd().split('\n')).toHaveLength(1)
      expect(outcomes[i]?.status).toBe(1)
    }
  })

  it('warns of a variable that is probably misspelled, and goes on', async () => {
    await init('warned')
    const variables = { PLUMBLINE_BEACON_KINDD: 'local' }
    const outcome = await cli(
      [
        'registry',
        'entry',
        '--data-dir',
        file('warned'),
        '--host',
        '192.0.2.1',
        '--uplink',
        '5',
        '--operator',
        'me',
      ],
      { env: variables },
    )
    expect(outcome.status).toBe(0)
    expect(outcome.stderr).toContain('PLUMBLINE_BEACON_KINDD is not known')
  })

  it('makes a key once, with a passphrase from a file', async () => {
    await writeFile(file('passphrase'), 'from a file\n', { mode: 0o600 })
    const args = [
      'init',
      '--data-dir',
      file('once'),
      '--key-cost',
      'light',
      '--passphrase-file',
      file('passphrase'),
    ]
    expect(await cli(args)).toMatchObject({ status: 0 })
    const key = await readFile(file('once/key.json'))
    expect((await stat(file('once'))).mode & 0o777).toBe(0o700)
    expect((await stat(file('once/key.json'))).mode & 0o777).toBe(0o600)
    expect((await cli(args)).stdout).toContain('nothing was changed')
    expect(await readFile(file('once/key.json'))).toEqual(key)
    const wrong = await cli(['keys', 'export', '--yes', '--out', file('x'), '--data-dir', file('once')], {
      env,
    })
    expect(wrong).toMatchObject({ status: 1, stdout: '' })
    expect(wrong.stderr).toMatch(/^plumbline: wrong passphrase/)
  })

  it('does not complain when its reader goes away', async () => {
    const script = `set -o pipefail; '${process.execPath}' '${MAIN}' completion bash | head -1`
    const { stdout, stderr } = await new Promise<{ stdout: string; stderr: string }>((resolve) =>
      execFile('bash', ['-c', script], (_, out, err) => resolve({ stdout: out, stderr: err })),
    )
    expect(stdout).toMatch(/^# plumbline completion/)
    expect(stderr).toBe('')
  })
})

describe('a daemon', () => {
  it('says in one line what it lacks', async () => {
    const cases: [string[], string, number][] = [
      [['prover'], 'a prover needs a claim; give --claim', 2],
      [['challenger'], 'a challenger needs to know its uplink; give --uplink', 2],
      [['node'], 'no role to play; give --roles', 2],
      [['prover', '--claim', '5'], 'there is no registry at', 1],
      [['prover', '--claim', '5', '--quiet-hours', '25:00-26:00'], 'is no range of hours', 2],
      [['prover', '--claim', '5', '--listen', 'everywhere'], 'no multiaddr', 2],
      [['prover', '--claim', '5', '--metrics-port', 'yes'], 'metrics-port', 2],
    ]
    await init('lacking')
    for (const [args, expected, status] of cases) {
      const outcome = await cli([...args, '--data-dir', file('lacking')], { env })
      expect(outcome.stderr).toContain(expected)
      expect(outcome.stderr.trimEnd().split('\n')).toHaveLength(1)
      expect(outcome.status).toBe(status)
    }
  })
})

describe('a beacon of one’s own', () => {
  it('has a private key file, serves rounds until it is told to stop, and stops cleanly', async () => {
    const made = await cli(['beacon', 'new', '--out', file('beacon-key.json'), '--period', '1'])
    expect(made.status).toBe(0)
    expect((await stat(file('beacon-key.json'))).mode & 0o777).toBe(0o600)
    const { secret } = JSON.parse(await readFile(file('beacon-key.json'), 'utf8'))
    expect(made.stdout + made.stderr).not.toContain(secret)
    const { beacon } = parse(made.stdout)

    const serving = start([
      'beacon',
      'serve',
      '--key',
      file('beacon-key.json'),
      '--port',
      '0',
      '--json-stream',
    ])
    try {
      const [line = ''] = await shows(serving, /^.*\n/)
      const started = JSON.parse(line)
      expect(started).toMatchObject({ event: 'started', beacon: { publicKey: beacon.publicKey } })
      const response = await fetch(`${started.url}/${beacon.chainHash}/public/1`)
      expect(await response.json()).toMatchObject({ round: 1 })
    } finally {
      serving.child.kill('SIGTERM')
    }
    expect(await ended(serving)).toMatchObject({ status: 0 })

    const again = await cli(['beacon', 'new', '--out', file('beacon-key.json')])
    expect(again).toMatchObject({ status: 1, stdout: '' })
    await writeFile(file('no-key.json'), '{"format": "plumbline-beacon", "version": 1, "secret": "00"}')
    const bad = await cli(['beacon', 'serve', '--key', file('no-key.json')])
    expect(bad.stderr).toMatch(/^plumbline: .*holds no key of 32 bytes.*\n$/)
  })

  it('says which address is taken', async () => {
    const server = createServer().listen(0, '127.0.0.1')
    await new Promise((resolve) => server.once('listening', resolve))
    const address = server.address()
    const port = typeof address === 'object' && address !== null ? address.port : 0
    await cli(['beacon', 'new', '--out', file('busy.json')])
    const outcome = await cli(['beacon', 'serve', '--key', file('busy.json'), '--port', String(port)])
    expect(outcome).toMatchObject({ status: 1, stdout: '' })
    expect(outcome.stderr).toContain(`cannot listen on 127.0.0.1:${port}`)
    await new Promise((resolve) => server.close(resolve))
  })
})
