/** `plumbline init`: a data directory, an encrypted key and a commented configuration; what is there stays. */
import { mkdir, stat } from 'node:fs/promises'
import { dataPaths, expandPath } from '../config/paths.js'
import type { Role } from '../config/schema.js'
import { configOptions, defineCommand, keyCostOptions, keyOptions } from './command.js'
import { list, number, text } from './option.js'
import { ROLE_NAMES } from './roles.js'
import { newPassphrase } from './settings.js'

const MAX_MBPS = 100_000

export const initCommand = defineCommand({
  path: 'init',
  group: 'start',
  summary: 'Make a key and a configuration',
  description: [
    'Creates the data directory, an encrypted key in it and a configuration file with a comment for every setting. ' +
      'Nothing that exists is overwritten: run it again and it says where things are.',
    'The key is the identity under which this node earns. Keep a copy of key.json and remember its passphrase: ' +
      'nobody can restore either.',
  ],
  options: {
    roles: list({ summary: 'What this node does', choices: ROLE_NAMES, placeholder: 'role,...' }),
    claim: number({
      summary: 'What this line receives, for a prover',
      placeholder: 'Mbit/s',
      above: 0,
      max: MAX_MBPS,
    }),
    uplink: number({
      summary: 'What this line can send, for a challenger',
      placeholder: 'Mbit/s',
      above: 0,
      max: MAX_MBPS,
    }),
    ...keyCostOptions,
    'data-dir': configOptions['data-dir'],
    config: text({
      summary: 'Where to write the configuration',
      completes: 'file',
      defaultText: 'config.yaml in the data directory',
    }),
    ...keyOptions,
  },
  examples: [
    ['init', 'Ask for a passphrase and set up ~/.plumbline'],
    ['init --roles prover --claim 250', 'Set up an access point on a line of 250 Mbit/s'],
    ['init --passphrase-file /run/secrets/plumbline', 'Set up without a terminal'],
  ],
  run: async (args, io) => {
    const { createKeyFile, fileExists, readKeyFileInfo } = await import('./key-file.js')
    const { DEFAULT_DATA_DIR } = await import('../config/paths.js')
    const paths = dataPaths(args.dataDir ?? io.env.PLUMBLINE_DATA_DIR ?? DEFAULT_DATA_DIR)
    const configPath = expandPath(args.config ?? io.env.PLUMBLINE_CONFIG ?? paths.config)
    const { writeConfigTemplate } = await import('../config/template.js')

    const keyExists = await fileExists(paths.key)
    // Everything that can fail for want of an answer comes before anything is written.
    const passphrase = keyExists ? undefined : await newPassphrase(args.passphraseFile, io)
    await mkdir(paths.dataDir, { recursive: true, mode: 0o700 })
    const { mode } = await stat(paths.dataDir)
    if (process.platform !== 'win32' && (mode & 0o077) !== 0)
      io.output.warn(`other users can look into ${paths.dataDir}; run "chmod 700 ${paths.dataDir}"`)

    if (passphrase !== undefined) {
      const { Identity } = await import('../crypto/identity.js')
      await createKeyFile(paths.key, Identity.generate(), passphrase, args.keyCost)
    }
    const key = await readKeyFileInfo(paths.key)
    const configExists = await fileExists(configPath)
    if (!configExists)
      await writeConfigTemplate(configPath, {
        ...(args.roles === undefined ? {} : { roles: args.roles }),
        ...(args.claim === undefined ? {} : { claimMbps: args.claim }),
        ...(args.uplink === undefined ? {} : { uplinkMbps: args.uplink }),
      })

    const created = [...(keyExists ? [] : ['key']), ...(configExists ? [] : ['config'])]
    const result = {
      dataDir: paths.dataDir,
      key: paths.key,
      config: configPath,
      address: key.address ?? null,
      peerId: key.peerId ?? null,
      created,
    }
    const given = args.dataDir === undefined ? '' : ` --data-dir ${args.dataDir}`
    io.output.result(result, () =>
      [
        io.style(
          'bold',
          created.length === 0 ? 'Everything is there already; nothing was changed.' : 'Ready.',
        ),
        '',
        `  key      ${paths.key}${keyExists ? ' (kept)' : ''}`,
        `  config   ${configPath}${configExists ? ' (kept)' : ''}`,
        ...(key.address === undefined ? [] : [`  address  ${key.address}`]),
        ...(key.peerId === undefined ? [] : [`  peer id  ${key.peerId}`]),
        '',
        'Next:',
        ...[
          ...(keyExists
            ? []
            : [['copy key.json to a safe place; it is this node, and nothing replaces it'] as const]),
          ...nextSteps(args, given, { registry: paths.registry, config: configPath }),
        ].flatMap(stepLines),
        '',
        'No network to join yet? This tries everything on this machine, without one:',
        '       plumbline demo',
      ].join('\n'),
    )
    return 0
  },
})

interface Chosen {
  readonly roles: readonly Role[] | undefined
  readonly claim: number | undefined
  readonly uplink: number | undefined
}

/** What to do after `init`, each with the command that does it. */
function nextSteps({ roles = [], claim, uplink }: Chosen, given: string, paths: Paths): Step[] {
  const isChallenger = roles.includes('challenger')
  const isProvider = roles.includes('provider')
  const isAuditor = roles.includes('auditor')
  const doctor: Step = ['find out what is missing:', `plumbline doctor${given}`]
  const register: Step = [
    "ask your network's operator for its registry file, and put it here:",
    paths.registry,
  ]
  if (!isChallenger && !roles.includes('prover')) {
    if (isProvider || isAuditor)
      return [
        ...(isProvider ? sellingSteps(given, paths.config) : auditingSteps(given, paths.config)),
        doctor,
        isProvider && roles.length === 1
          ? ['sell:', `plumbline provider${given}`]
          : [isProvider ? 'sell:' : 'audit what others sell:', `plumbline node${given}`],
      ]
    if (roles.length > 0)
      return [
        register,
        doctor,
        ['measure a line:', `plumbline measure <peer> --claim <Mbit/s>${given}`],
        ['or buy work; what costs something takes a chain, and ether at that address:', paths.config],
      ]
  }
  const rate = isChallenger
    ? uplink === undefined && ' --uplink <Mbit/s>'
    : claim === undefined && ' --claim <Mbit/s>'
  const start = roles.length > 1 ? 'node' : isChallenger ? 'challenger' : 'prover'
  return [
    register,
    ...(isProvider ? sellingSteps(given, paths.config) : []),
    doctor,
    [
      isChallenger ? 'serve challenges:' : 'let others measure this line:',
      `plumbline ${start}${rate || ''}${given}`,
    ],
  ]
}

/** A provider needs models, a price for each, and a chain on which it is paid; no registry. */
const sellingSteps = (given: string, config: string): Step[] => [
  ['see which models there are; "plumbline models add" adds one:', `plumbline models list${given}`],
  ['name those that you sell, each with its price (inference.provider.models):', config],
  ['name the chain that pays you (chain.rpcUrls; for 0 wei none is needed):', config],
]

/** An auditor runs what others sold again: it takes their chain, and the same models. */
const auditingSteps = (given: string, config: string): Step[] => [
  ['see which models there are; "plumbline models add" adds one:', `plumbline models list${given}`],
  ['name their chain and a node of theirs (chain.rpcUrls, network.bootstrap):', config],
]

interface Paths {
  readonly registry: string
  readonly config: string
}

type Step = readonly [what: string, how?: string]

function stepLines([what, how]: Step, index: number): string[] {
  return [`  ${index + 1}. ${what}`, ...(how === undefined ? [] : [`       ${how}`])]
}
