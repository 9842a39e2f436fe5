import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { beaconOf } from '../../../src/config/beacon.js'
import { defaultConfig, type LoadedConfig, type LoadOptions, loadConfig } from '../../../src/config/load.js'
import { passphraseFromEnvironment } from '../../../src/config/passphrase.js'
import { dataPaths } from '../../../src/config/paths.js'
import { CONFIG_LEAVES, environmentName } from '../../../src/config/schema.js'
import { editDistance, nearest } from '../../../src/config/suggest.js'
import { configTemplate, writeConfigTemplate } from '../../../src/config/template.js'
import { localBeacon, QUICKNET } from '../../../src/crypto/beacon.js'
import { generateBlsSecret } from '../../../src/crypto/bls.js'
import { Identity } from '../../../src/crypto/identity.js'
import { UserError } from '../../../src/errors.js'

let directory = ''
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'plumbline-config-'))
})
afterEach(() => rm(directory, { recursive: true, force: true }))

const load = async (yaml: string | undefined, options: LoadOptions = {}): Promise<LoadedConfig> => {
  if (yaml !== undefined) await writeFile(join(directory, 'config.yaml'), yaml)
  return loadConfig({ env: {}, ...options, flags: { dataDir: directory, ...options.flags } })
}
const mistake = async (yaml: string | undefined, options: LoadOptions = {}): Promise<string> =>
  load(yaml, options).then(
    () => 'no error',
    (error: unknown) => {
      if (!(error instanceof UserError)) throw error
      expect(error.line).not.toContain('\n')
      return error.line.replace(directory, 'DIR')
    },
  )

describe('the configuration', () => {
  it('has defaults for everything that can have one', async () => {
    const { config, configPath, warnings } = await load(undefined)
    expect(configPath).toBeUndefined()
    expect(warnings).toEqual([])
    expect(config.dataDir).toBe(directory)
    expect(config.network).toMatchObject({
      listen: ['/ip4/0.0.0.0/tcp/4021'],
      maxPeers: 100,
      enableRelayServer: false,
    })
    expect(config.dataPlane).toEqual({ backend: 'auto', host: '0.0.0.0', udpPort: 4022 })
    expect(config.metrics).toEqual({ host: '127.0.0.1', port: 'off' })
    expect(config).toEqual(defaultConfig(directory))
    expect(beaconOf(config.beacon)).toBe(QUICKNET)
  })

  it('takes flags over environment over file over defaults, field by field', async () => {
    const yaml =
      'network:\n  maxPeers: 10\n  listen: [/ip4/127.0.0.1/tcp/1]\nchallenger:\n  uplinkMbps: 1\nlogging:\n  level: warn\n'
    const env = {
      PLUMBLINE_CHALLENGER_UPLINK_MBPS: '2',
      PLUMBLINE_NETWORK_MAX_PEERS: '20',
      PLUMBLINE_METRICS_PORT: '9464',
    }
    const { config, configPath } = await load(yaml, {
      env,
      flags: { 'network.maxPeers': 30, 'logging.format': undefined },
    })
    expect(configPath).toBe(join(directory, 'config.yaml'))
    expect(config.network.maxPeers).toBe(30)
    expect(config.challenger.uplinkMbps).toBe(2)
    expect(config.logging).toEqual({ level: 'warn', format: 'pretty' })
    expect(config.network.listen).toEqual(['/ip4/127.0.0.1/tcp/1'])
    expect(config.metrics.port).toBe(9464)
  })

  it('reads lists, booleans and "off" from the environment; an empty variable is unset', async () => {
    const { config } = await load(undefined, {
      env: {
        PLUMBLINE_ROLES: 'prover, challenger',
        PLUMBLINE_NETWORK_ENABLE_RELAY_SERVER: 'yes',
        PLUMBLINE_NETWORK_LISTEN: '/ip4/1.2.3.4/tcp/5,/ip6/::1/tcp/6',
        PLUMBLINE_METRICS_PORT: 'off',
        PLUMBLINE_LOGGING_LEVEL: '',
        PLUMBLINE_PROVER_DATA_CAP_GIB_PER_MONTH: '1.5',
      },
    })
    expect(config.roles).toEqual(['prover', 'challenger'])
    expect(config.network.enableRelayServer).toBe(true)
    expect(config.network.listen).toEqual(['/ip4/1.2.3.4/tcp/5', '/ip6/::1/tcp/6'])
    expect(config.metrics.port).toBe('off')
    expect(config.logging.level).toBe('info')
    expect(config.prover.dataCapGiBPerMonth).toBe(1.5)
  })

  it('finds the file by --config, PLUMBLINE_CONFIG, and in the data directory', async () => {
    const other = join(directory, 'other.yaml')
    await writeFile(other, `dataDir: ${directory}/elsewhere\nroles: [payer]\n`)
    const byFlag = await loadConfig({ env: {}, configPath: other })
    expect(byFlag.config.dataDir).toBe(join(directory, 'elsewhere'))
    const byEnvironment = await loadConfig({ env: { PLUMBLINE_CONFIG: other } })
    expect(byEnvironment.config.roles).toEqual(['payer'])
    const overridden = await loadConfig({ env: { PLUMBLINE_CONFIG: other, PLUMBLINE_DATA_DIR: '~/x' } })
    expect(overridden.config.dataDir).toBe(join(homedir(), 'x'))
    await expect(loadConfig({ env: {}, configPath: join(directory, 'none.yaml') })).rejects.toThrow('ENOENT')
  })

  it('says in one line what is wrong and where', async () => {
    const peer = Identity.generate().peerId
    const cases: readonly (readonly [string, string])[] = [
      [
        'network:\n  listenn: []\n',
        'DIR/config.yaml:2:3: unknown key "network.listenn"; did you mean "network.listen"?',
      ],
      [
        'challenger:\n  uplink: 5\n',
        'DIR/config.yaml:2:3: unknown key "challenger.uplink"; did you mean "challenger.uplinkMbps"?',
      ],
      ['netwrok: {}\n', 'DIR/config.yaml:1:1: unknown key "netwrok"; did you mean "network"?'],
      [
        'zzzzzz: 1\n',
        'DIR/config.yaml:1:1: unknown key "zzzzzz"; remove it; docs and "plumbline init" list the known keys',
      ],
      [
        'challenger:\n  uplinkMbps: fast\n',
        'DIR/config.yaml:2:3: challenger.uplinkMbps: expected number, received string',
      ],
      [
        'network:\n  listen:\n    - /ip4/0.0.0.0/tcp/1\n    - nonsense\n',
        'DIR/config.yaml:4:7: network.listen[1]: "nonsense" is no multiaddr; write it like /ip4/203.0.113.7/tcp/4021',
      ],
      [
        'network:\n  bootstrap: [/ip4/1.2.3.4/tcp/1]\n',
        'DIR/config.yaml:2:15: network.bootstrap[0]: "/ip4/1.2.3.4/tcp/1" names no peer; end it with /p2p/ and the peer id',
      ],
      [
        'prover:\n  quietHours: ["25:00-06:00"]\n',
        'DIR/config.yaml:2:16: prover.quietHours[0]: "25:00-06:00" is no range of hours',
      ],
      [
        'prover:\n  claimMbps: 500\n  maxClaimMbps: 100\n',
        'prover.claimMbps 500 exceeds prover.maxClaimMbps 100; raise the maximum or lower the claim',
      ],
      [
        'beacon:\n  kind: local\n',
        'a local beacon of its own needs beacon.publicKey, genesisTimeSeconds and periodSeconds; copy them from the beacon you trust',
      ],
      ['beacon:\n  urls: ["file:///etc/passwd"]\n', 'DIR/config.yaml:2:10: beacon.urls[0]: Invalid URL'],
      ['roles: prover\n', 'DIR/config.yaml:1:1: roles: expected array, received string'],
      ['- a\n- b\n', 'DIR/config.yaml: the configuration: expected object, received array'],
      ['network: 5\n', 'DIR/config.yaml:1:1: network: expected object, received number'],
      [
        'metrics:\n  port: 70000\n',
        'DIR/config.yaml:2:3: metrics.port: Too big: expected number to be <=65535',
      ],
    ]
    for (const [yaml, line] of cases) expect(await mistake(yaml), yaml).toBe(line)
    expect(await mistake('prover:\n  allowList: [hello]\n')).toContain('prover.allowList[0]')
    expect(await mistake('registry:\n  publisher: hello\n')).toContain('registry.publisher: ')
    expect(await mistake('dataPlane:\n  interface: eth0\n')).toContain('unknown key "dataPlane.interface"')
    expect(await mistake('prover:\n  allowList: ["0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAeD"]\n')).toContain(
      'wrong checksum',
    )
    const address = '0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed'
    const names = [peer, address, address.toLowerCase()].map((name) => `"${name}"`).join()
    const { config } = await load(
      `prover:\n  allowList: [${names}]\nregistry:\n  publisher: "${address.toLowerCase()}"\n`,
    )
    expect(config.prover.allowList).toEqual([peer, address, address])
    expect(config.registry.publisher).toBe(address)
  })

  it('gives line and column of YAML mistakes, doubled keys and alias bombs', async () => {
    expect(await mistake('network:\n  listen: [a, b\nroles: []\n')).toMatch(
      /^DIR\/config.yaml:\d+:\d+: .*; mend the YAML there$/,
    )
    expect(await mistake('roles: []\nroles: []\n')).toBe(
      'DIR/config.yaml:2:1: roles stands there again, as in line 1; keep one of the two, with all that is to hold in it',
    )
    expect(await mistake('roles: []\nnetwork:\n  listen: []\n  maxPeers: 3\n  listen: []\n')).toMatch(
      /^DIR\/config.yaml:5:3: listen stands there again, as in line 3; keep one/,
    )
    const bomb = ['a: &a [x,x,x,x,x,x,x,x,x]']
    for (let i = 1; i < 9; i++)
      bomb.push(
        `${'abcdefghij'[i]}: &${'abcdefghij'[i]} [${Array(9)
          .fill(`*${'abcdefghij'[i - 1]}`)
          .join()}]`,
      )
    expect(await mistake(bomb.join('\n'))).toContain('alias')
    expect(await mistake('x: !!js/function "function(){}"\n')).not.toBe('no error')
  })

  it('names the variable or the command line where these are wrong', async () => {
    expect(await mistake(undefined, { env: { PLUMBLINE_NETWORK_MAX_PEERS: 'many' } })).toBe(
      'PLUMBLINE_NETWORK_MAX_PEERS: expected a number, got "many"',
    )
    expect(await mistake(undefined, { env: { PLUMBLINE_NETWORK_ENABLE_RELAY_SERVER: 'maybe' } })).toContain(
      'true or false',
    )
    expect(await mistake(undefined, { env: { PLUMBLINE_ROLES: 'proover' } })).toMatch(
      /^PLUMBLINE_ROLES: roles\[0\]: /,
    )
    expect(await mistake(undefined, { flags: { 'network.maxPeers': -1 } })).toMatch(
      /^command line: network.maxPeers: /,
    )
    await expect(load(undefined, { flags: { 'no.such': 1 } })).rejects.toThrow(
      'no configuration field "no.such"',
    )
  })

  it('ignores foreign variables and warns of misspelt ones', async () => {
    const { warnings } = await load(undefined, {
      env: {
        PLUMBLINE_NETWROK_LISTEN: 'x',
        PLUMBLINE_PASSPHRASE: 'p',
        PLUMBLINE_SOMETHING_ELSE_ENTIRELY: '1',
        PATH: '/bin',
      },
    })
    expect(warnings).toEqual([
      'the variable PLUMBLINE_NETWROK_LISTEN is not known and has no effect; did you mean PLUMBLINE_NETWORK_LISTEN?',
    ])
  })

  it('is not polluted by __proto__ and constructor keys', async () => {
    for (const yaml of [
      '__proto__:\n  polluted: 1\n',
      'constructor:\n  prototype:\n    polluted: 1\n',
      'network:\n  __proto__: {polluted: 1}\n',
    ])
      expect(await mistake(yaml), yaml).toContain('unknown key')
    expect(({} as { polluted?: number }).polluted).toBeUndefined()
  })

  it('gives each field its own variable', () => {
    const names = CONFIG_LEAVES.map((leaf) => environmentName(leaf.path))
    expect(new Set(names).size).toBe(CONFIG_LEAVES.length)
    expect(environmentName('dataDir')).toBe('PLUMBLINE_DATA_DIR')
    expect(environmentName('prover.dataCapGiBPerMonth')).toBe('PLUMBLINE_PROVER_DATA_CAP_GIB_PER_MONTH')
  })
})

describe('the template', () => {
  it('is equal to the defaults', async () => {
    expect((await load(configTemplate())).config).toEqual(defaultConfig(directory))
  })

  it('mentions every field, and its commented lines are valid too', async () => {
    const template = configTemplate()
    for (const { path } of CONFIG_LEAVES) {
      const name = path.split('.').at(-1)
      expect(template, path).toMatch(new RegExp(`^ *(# )?${name}:`, 'm'))
    }
    const uncommented = template.replace(/^( *)# (\w+: )/gm, '$1$2').replace(/^dataDir.*$/m, '')
    const { config } = await load(uncommented)
    expect(config.challenger).toMatchObject({ uplinkMbps: 100, operator: 'example.org' })
    expect(config.prover.dataCapGiBPerMonth).toBe(100)
    expect(beaconOf(config.beacon)).toEqual(QUICKNET)
  })

  it('carries what init was told, and never overwrites', async () => {
    const path = join(directory, 'config.yaml')
    await writeConfigTemplate(path, { roles: ['prover', 'challenger'], claimMbps: 300, uplinkMbps: 40 })
    const { config } = await load(undefined)
    expect(config.roles).toEqual(['prover', 'challenger'])
    expect(config.prover.claimMbps).toBe(300)
    expect(config.challenger.uplinkMbps).toBe(40)
    const before = await readFile(path, 'utf8')
    await expect(writeConfigTemplate(path)).rejects.toThrow(UserError)
    expect(await readFile(path, 'utf8')).toBe(before)
  })
})

describe('beacon parameters', () => {
  it('checks a local beacon against its chain hash', async () => {
    const info = localBeacon(generateBlsSecret(), { genesisTimeSeconds: 1_700_000_000, periodSeconds: 1 })
    const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
    const yaml = (hash: string): string =>
      `beacon:\n  kind: local\n  urls: ["http://127.0.0.1:1"]\n  publicKey: "${hex(info.publicKey)}"\n  genesisTimeSeconds: 1700000000\n  periodSeconds: 1\n  chainHash: "${hash}"\n`
    expect(beaconOf((await load(yaml(hex(info.chainHash)))).config.beacon)).toEqual(info)
    expect(beaconOf((await load(yaml(`0x${hex(info.chainHash).toUpperCase()}`))).config.beacon)).toEqual(info)
    expect(await mistake(yaml('00'.repeat(32)))).toContain(`or write ${hex(info.chainHash)}`)
  })
})

describe('small parts', () => {
  it('measures edit distance', () => {
    expect(editDistance('kitten', 'sitting')).toBe(3)
    expect(editDistance('', 'abc')).toBe(3)
    expect(editDistance('same', 'same')).toBe(0)
    expect(nearest('lisen', ['listen', 'relays'])).toBe('listen')
    expect(nearest('qqqq', ['listen', 'relays'])).toBeUndefined()
    expect(nearest('x'.repeat(5000), ['listen'])).toBeUndefined()
  })

  it('keeps paths inside the data directory', () => {
    const paths = dataPaths('/data')
    for (const path of Object.values(paths)) expect(path.startsWith('/data')).toBe(true)
    expect(dataPaths('~/p').dataDir).toBe(join(homedir(), 'p'))
  })

  it('takes the passphrase from the variable, then the file', async () => {
    const file = join(directory, 'pass')
    await writeFile(file, 'from the file\r\nsecond line', { mode: 0o600 })
    expect(await passphraseFromEnvironment({})).toBeUndefined()
    expect(await passphraseFromEnvironment({ PLUMBLINE_PASSPHRASE_FILE: file })).toBe('from the file')
    expect(
      await passphraseFromEnvironment({ PLUMBLINE_PASSPHRASE: 'x', PLUMBLINE_PASSPHRASE_FILE: file }),
    ).toBe('x')
    for (const mode of [0o644, 0o640, 0o604]) {
      await chmod(file, mode)
      await expect(passphraseFromEnvironment({ PLUMBLINE_PASSPHRASE_FILE: file })).rejects.toThrow(
        `has mode 0${mode.toString(8)}: others can read it`,
      )
    }
    await chmod(file, 0o400)
    expect(await passphraseFromEnvironment({ PLUMBLINE_PASSPHRASE_FILE: file })).toBe('from the file')
    await chmod(file, 0o600)
    await writeFile(file, '\n')
    await expect(passphraseFromEnvironment({ PLUMBLINE_PASSPHRASE_FILE: file })).rejects.toThrow(
      'empty first line',
    )
    await expect(passphraseFromEnvironment({ PLUMBLINE_PASSPHRASE_FILE: '/no/such' })).rejects.toThrow(
      UserError,
    )
  })
})
