/** `plumbline verify`: recomputes a published result from its signed evidence, alone, years later if need be. */
import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { DEFAULT_DATA_DIR, dataPaths, expandPath } from '../config/paths.js'
import type { BeaconInfo } from '../crypto/beacon.js'
import { UserError } from '../errors.js'
import type { Registry } from '../pob/registry.js'
import type { ChainRecord, VerdictLevel } from '../pob/verify.js'
import { DEFAULT_MAX_RECOMPUTED_BYTES } from '../pob/workload.js'
import { chainOptions, chainSettings } from './chain-options.js'
import { defineCommand } from './command.js'
import type { CommandIo } from './io.js'
import { layerOf, layerOption } from './layer.js'
import { badArgument, choice, number, text } from './option.js'
import { loadSettings } from './settings.js'
import { beaconFrom, trustedBeacon } from './trust.js'

const LEVELS = ['consistent', 'anchored', 'settled'] as const satisfies readonly VerdictLevel[]
const BYTES_PER_GIB = 2 ** 30
/** Three attempts at 64 slots of 120 Gbit/s for a second, which is all that a transcript can claim, are 2,600. */
const MAX_GIB = 4096
const CHALLENGE_ID = /^(?:0x)?([0-9a-fA-F]{64})$/

export const verifyCommand = defineCommand({
  path: 'verify',
  group: 'start',
  summary: 'Check a published result from its signed evidence',
  description: [
    'Recomputes everything: every digest, every signature, the committee and the numbers. consistent: the transcript ' +
      'agrees with itself; anybody could make one like it with keys of their own. anchored: the committee follows ' +
      'from a registry and a beacon that you trust. settled: a chain holds the same value.',
    'With --fault: whether a file proves a fault, who committed it, and what it is. Two statements that a party signed ' +
      'contradict each other; nothing else has to be trusted.',
    'With --joint: what several provers get together, and whether they share one link, from the file that measure --with ' +
      'writes.',
    'Exit status 0 means that the level asked for was reached, or the fault is proven, and nothing else does.',
  ],
  positionals: {
    transcript: text({
      summary: 'A transcript file, or the id of a challenge measured or served here',
      completes: 'file',
    }),
  },
  options: {
    fault: text({
      summary: 'Check a fault proof instead of a transcript',
      completes: 'file',
      defaultText: 'none',
    }),
    joint: text({
      summary: 'Check the joint transcript of several provers instead',
      completes: 'file',
      defaultText: 'none',
    }),
    level: choice(LEVELS, { summary: 'What to insist on', default: 'anchored' }),
    registry: text({
      summary: 'The registry that you trust',
      completes: 'file',
      defaultText: "registry.json in the data directory, or the configuration's",
    }),
    beacon: text({
      summary: 'The beacon that you trust: quicknet, or a file with its parameters',
      placeholder: 'name|file',
      completes: 'file',
      defaultText: "the configuration's",
    }),
    'max-gib': number({
      summary: 'Traffic to recompute at most; a transcript that claims more is not recomputed',
      placeholder: 'GiB',
      above: 0,
      max: MAX_GIB,
      default: DEFAULT_MAX_RECOMPUTED_BYTES / BYTES_PER_GIB,
    }),
    layer: layerOption,
    ...chainOptions,
  },
  examples: [
    ['verify result.pob --registry registry.json', 'Insist on a committee that follows from what you trust'],
    ['verify result.pob --level consistent', 'Check the bytes and signatures only'],
    [
      'verify result.pob --level settled --rpc https://rpc.example.org',
      'Compare it with what the chain settled',
    ],
    ['verify 0x5f3c... --json', 'A challenge of this node, for a program'],
    ['verify --joint together.joint --registry registry.json', 'Whether provers share one link'],
    ['verify --fault ~/.plumbline/faults/5f3c...-seed-0x8f....fault', 'Check the proof of a fault'],
  ],
  run: async (args, io) => {
    if (args.fault !== undefined) {
      const { checkFaultFile } = await import('./verify-fault.js')
      return checkFaultFile(expandPath(args.fault), io)
    }
    if (args.joint !== undefined) {
      if (args.level === 'settled')
        throw badArgument('provers are measured together without a chain', 'leave out --level settled')
      const { checkJointFile } = await import('./verify-joint.js')
      const anchors = args.level === 'consistent' ? {} : await readLocalAnchors(args, io)
      const maxRecomputedBytes = args.maxGib * BYTES_PER_GIB
      const path = expandPath(args.joint)
      return checkJointFile(
        { path, wanted: args.level, anchors, layer: layerOf(args.layer), maxRecomputedBytes },
        io,
      )
    }
    if (args.transcript === undefined)
      throw badArgument(
        '<transcript> is missing',
        'name a transcript, a fault proof with --fault, or a joint transcript with --joint',
      )
    const { path, content } = await findTranscript(args.transcript, args.dataDir, io)
    const anchors = args.level === 'consistent' ? {} : await readAnchors(args, content, io)
    const { verifyTranscript } = await import('../pob/verify.js')
    const verdict = verifyTranscript(content, anchors, { maxRecomputedBytes: args.maxGib * BYTES_PER_GIB })
    const { verdictObject, verdictText } = await import('./verify-report.js')
    const isTranscript = verdict.evidence !== undefined || (await decodes(content))
    const context = { path, wanted: args.level, anchors, layer: layerOf(args.layer), isTranscript }
    const reached = reaches(verdict.level, args.level)
    io.output.result(verdictObject(verdict, context, reached), () =>
      verdictText(verdict, context, reached, io.style),
    )
    return reached ? 0 : 1
  },
})

function reaches(level: VerdictLevel | undefined, wanted: VerdictLevel): boolean {
  return level !== undefined && LEVELS.indexOf(level) >= LEVELS.indexOf(wanted)
}

async function decodes(content: Uint8Array): Promise<boolean> {
  const { decodeTranscript } = await import('../pob/transcript.js')
  try {
    decodeTranscript(content)
    return true
  } catch (error) {
    if (error instanceof UserError) return false
    throw error
  }
}

/** Larger files are no transcripts; they are not read. */
const MAX_BYTES = 32 * 1024 * 1024

async function findTranscript(
  name: string,
  dataDir: string | undefined,
  io: CommandIo,
): Promise<{ readonly path: string; readonly content: Uint8Array }> {
  const path = expandPath(name)
  const status = await stat(path).catch(() => undefined)
  if (status?.isFile()) {
    if (status.size > MAX_BYTES)
      throw new UserError(`${path} has ${status.size} bytes: too many for a transcript`, {
        code: 'BAD_TRANSCRIPT',
        remedy: 'name the right file',
      })
    return { path, content: await readFile(path) }
  }
  if (status !== undefined)
    throw new UserError(`${path} is not a file`, { code: 'BAD_ARGUMENT', remedy: 'name a file' })
  const id = CHALLENGE_ID.exec(name)?.[1]?.toLowerCase()
  if (id === undefined)
    throw new UserError(`there is no file ${path}`, {
      code: 'NOT_FOUND',
      remedy: 'name a transcript file or a challenge id of 64 hexadecimal digits',
    })
  return findChallenge(id, dataPaths(dataDir ?? io.env.PLUMBLINE_DATA_DIR ?? DEFAULT_DATA_DIR))
}

/** In the folder that `measure` writes to, then in the store of the roles. */
async function findChallenge(id: string, paths: ReturnType<typeof dataPaths>) {
  const written = join(paths.transcripts, `${id}.pob`)
  const fromFile = await readFile(written).catch(() => undefined)
  if (fromFile !== undefined) return { path: written, content: fromFile }
  const missing = new UserError(`no transcript of challenge ${id.slice(0, 16)}... in ${paths.dataDir}`, {
    code: 'NOT_FOUND',
    remedy: 'name its file, or give the --data-dir of the node that took part',
  })
  if (!(await stat(paths.store).catch(() => undefined))) throw missing
  const { openStore } = await import('../store/index.js')
  const store = await openStore(paths.store)
  try {
    const content = await store.transcripts.get(id)
    if (content === undefined) throw missing
    return { path: `${paths.store} (challenge ${id})`, content }
  } finally {
    await store.close()
  }
}

export interface TrustAnchors {
  readonly registry?: Registry
  readonly registryPath?: string
  readonly beacon?: BeaconInfo
  readonly chain?: ChainRecord
}

type AnchorArguments = Parameters<typeof chainSettings>[0] & {
  readonly registry: string | undefined
  readonly beacon: string | undefined
}

async function readAnchors(args: AnchorArguments, content: Uint8Array, io: CommandIo): Promise<TrustAnchors> {
  const local = await readLocalAnchors(args, io)
  const chain = await readChain(args, content, io)
  return chain === undefined ? local : { ...local, chain }
}

/** The chain of --rpc or of the configuration; none where neither names one, or the file is no transcript. */
async function readChain(
  args: AnchorArguments,
  content: Uint8Array,
  io: CommandIo,
): Promise<ChainRecord | undefined> {
  const { config, chain: settings } = await chainSettings(args, io)
  if (settings.rpcUrls.length === 0 || !(await decodes(content))) return undefined
  const { openConfiguredChain, openSeatCache } = await import('../chain/index.js')
  const { readChainRecord } = await import('../node/chain/record.js')
  const { dataDir } = config
  const chain = await openConfiguredChain(settings, { dataDir, signal: io.signal })
  try {
    return await readChainRecord(chain, await openSeatCache(chain, { signal: io.signal }), content)
  } finally {
    await chain.close()
  }
}

/** Flags first; the configuration is read only for what they leave open. */
async function readLocalAnchors(args: AnchorArguments, io: CommandIo): Promise<TrustAnchors> {
  const complete = args.registry !== undefined && args.beacon !== undefined
  const config = complete ? undefined : (await loadSettings(args, io)).config
  const { readRegistryFile, registryPath } = await import('../node/registry-file.js')
  const beacon =
    args.beacon !== undefined
      ? await trustedBeacon(args.beacon)
      : config === undefined
        ? undefined
        : await beaconFrom(config.beacon)
  const path = args.registry !== undefined ? expandPath(args.registry) : config && registryPath(config)
  const named = args.registry !== undefined || config?.registry.path !== undefined
  const exists = path !== undefined && (await stat(path).catch(() => undefined)) !== undefined
  // A registry that nobody named may be absent: the verdict then says what is missing.
  const publisher = args.registry === undefined ? config?.registry.publisher : undefined
  const registry = path !== undefined && (named || exists) ? readRegistryFile(path, publisher) : undefined
  return {
    ...(registry === undefined || path === undefined ? {} : { registry, registryPath: path }),
    ...(beacon === undefined ? {} : { beacon }),
  }
}
