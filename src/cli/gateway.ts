/** `plumbline gateway`: OpenAI's HTTP for the apps of this machine. */
import type { JobSource, ServedModel } from '../inference/job.js'
import { distinctModels, isKnownHere, publicId } from '../inference/model-rule.js'
import { keepYoungGenerationSmall } from '../node/heap.js'
import { defineCommand } from './command.js'
import { labelled, plural, printable } from './format.js'
import {
  aliasesOf,
  checkAliases,
  hostsOf,
  listenAddress,
  originsOf,
  readGatewayKeys,
} from './gateway-arguments.js'
import { type Audience, gatewaySourceOptions, openGatewaySource } from './gateway-source.js'
import type { CommandIo } from './io.js'
import { list, number, text } from './option.js'
import { loadSettings, openLogger } from './settings.js'
import { untilAborted } from './until-aborted.js'

const DEFAULT_LISTEN = '127.0.0.1:4030'
const MIB = 2 ** 20

export const gatewayCommand = defineCommand({
  path: 'gateway',
  group: 'models',
  summary: "Serve OpenAI's HTTP: speech to text, text to speech, languages, embeddings",
  description: [
    'An HTTP server for apps that speak to OpenAI already: give them the base URL that it prints. It answers ' +
      '/v1/audio/transcriptions (json, text, srt, vtt, verbose_json, stream), /v1/audio/translations, ' +
      '/v1/audio/speech (wav, flac, pcm), /v1/embeddings and /v1/models, and /v1/audio/language, which tells the language of ' +
      'a recording; /health, /ready and /metrics are for whoever runs it. docs/gateway.md has them all, with examples.',
    'What apps ask for is bought from providers of the network, the cheapest first, and paid as transcribe pays: see ' +
      'there for what it needs. "auto" takes a model that is known here by its files. With --local this machine alone hears it, and models of the catalogue answer; with ' +
      '--upstream it is a server that you name, for those who have a cluster. Who hears what is said before it is sent.',
    'It listens on this machine alone and asks for no key, unless told otherwise. To be reached from elsewhere, it ' +
      'wants API keys: a file of yours (chmod 600) with one a line, or PLUMBLINE_API_KEYS with commas between them. ' +
      'It speaks no TLS: put a proxy that does in front. Pages in a browser are refused unless their origin is named.',
  ],
  options: {
    listen: text({
      summary: 'Where to listen; port 0 is any that is free',
      placeholder: 'host:port',
      default: DEFAULT_LISTEN,
    }),
    'api-keys': text({
      summary: 'File with the keys that apps must show, one a line',
      completes: 'file',
      defaultText: 'PLUMBLINE_API_KEYS, or none on this machine',
    }),
    ...gatewaySourceOptions,
    alias: list({
      summary: 'Names that apps insist on, and the models that they get, e.g. whisper-1=asr-small',
      placeholder: 'name=model,...',
    }),
    'cors-origin': list({
      summary: 'Origins whose pages may ask, e.g. https://app.example',
      placeholder: 'origin,...',
    }),
    'allow-host': list({
      summary: 'Host names beside localhost that requests may be for, where a proxy is in front',
      placeholder: 'name,...',
    }),
    'max-upload': number({
      summary: 'Largest recording that is taken, as a file',
      placeholder: 'MiB',
      integer: true,
      min: 1,
      max: 1024,
      default: 25,
    }),
  },
  examples: [
    ['gateway --max-price "0.0001 ETH"', 'Bought from the network, at most that much for a request'],
    ['gateway --local', 'With the models of this machine: base URL http://127.0.0.1:4030/v1'],
    ['gateway --local --alias whisper-1=asr-small', 'For an app that asks for whisper-1 and nothing else'],
    [
      'gateway --local --listen 0.0.0.0:4030 --api-keys keys.txt',
      'For other machines, which show one of the keys of keys.txt',
    ],
    [
      'gateway --upstream http://gpu/v1 --upstream-model whisper=transcribe',
      'In front of a vLLM server that has a model called whisper',
    ],
  ],
  run: async (args, io) => {
    keepYoungGenerationSmall()
    const { host, port } = listenAddress(args.listen)
    const aliases = aliasesOf(args.alias ?? [])
    const allowHosts = await hostsOf(args.allowHost ?? [])
    const corsOrigins = await originsOf(args.corsOrigin ?? [])
    const keys = await readGatewayKeys(args.apiKeys, io)
    const { config } = await loadSettings(args, io)
    const log = await openLogger(config.logging)
    const { Gateway, heldBytesFor } = await import('../inference/gateway/index.js')
    const { source, audience, maxPriceWei } = await openGatewaySource(args, io, {
      dataDir: config.dataDir,
      log,
    })
    try {
      const models = await source.models(io.signal)
      await checkAliases(aliases, models, {
        isFinal: audience.kind === 'local',
        warn: (message) => io.output.warn(message),
      })
      const gateway = await Gateway.start(
        {
          host,
          port,
          aliases,
          anyModel: args.anyModel || config.inference.client.anyModel,
          ...(keys === undefined ? {} : { keys }),
          ...(maxPriceWei === undefined ? {} : { maxPriceWei }),
          allowHosts,
          corsOrigins,
          limits: {
            uploadBytes: args.maxUpload * MIB,
            heldBytes: heldBytesFor(args.maxUpload * MIB),
          },
        },
        { source, log: log.child({ component: 'gateway' }) },
      )
      try {
        if (!gateway.isLoopback)
          io.output.warn('recordings and keys travel unencrypted: put a proxy with TLS in front')
        const unpayable = models.some(isFree) ? undefined : source.unpayable?.()
        if (unpayable !== undefined)
          io.output.warn(`nothing that costs something can be bought: ${unpayable}`)
        await serve(gateway.url, { models, audience, apiKeys: keys?.count ?? 0 }, io)
      } finally {
        await gateway.stop()
      }
    } finally {
      await source.close()
    }
    io.output.event('stopped')
    return 0
  },
})

const isFree = ({ priceWeiPerUnit }: ServedModel): boolean => priceWeiPerUnit === 0n

interface Served {
  readonly models: Awaited<ReturnType<JobSource['models']>>
  readonly audience: Audience
  readonly apiKeys: number
}

async function serve(url: string, { models, audience, apiKeys }: Served, io: CommandIo): Promise<void> {
  const baseUrl = `${url}/v1`
  const started = {
    baseUrl,
    audience,
    apiKeys,
    models: models.map(({ id, sha256, task, languages, licence, ownedBy }) => ({
      id,
      sha256,
      task,
      languages,
      licence,
      ownedBy,
    })),
  }
  if (io.output.mode === 'json-stream') io.output.event('started', started)
  else io.output.result(started, () => startedText(baseUrl, { models, audience, apiKeys }))
  if (models.length === 0) io.output.warn(WITHOUT_MODELS[audience.kind])
  await untilAborted(io.signal)
  io.output.note('plumbline: stopping (again to force)')
}

const WITHOUT_MODELS = {
  network: 'no provider was found so far; it keeps looking. --provider names one, --bootstrap peers to ask',
  local: 'there is no model to answer with; "plumbline models add" adds one',
  upstream: 'it has no model whose task is known: tell with --upstream-model name=task',
} as const satisfies Readonly<Record<Audience['kind'], string>>

const SHOWN_MODELS = 12
const LABEL_WIDTH = 10

function startedText(baseUrl: string, { models, audience, apiKeys }: Served): string {
  const distinct = distinctModels(models)
  const rows: (readonly [string, string])[] = [
    ['base URL', baseUrl],
    ['heard by', `${audience.heardBy}; ${audience.kept}`],
    [
      'keys',
      apiKeys === 0 ? 'none asked for: whoever is on this machine may ask' : plural(apiKeys, 'API key'),
    ],
    ...models
      .slice(0, SHOWN_MODELS)
      .map((model, i) => [i === 0 ? 'models' : '', modelText(model, distinct)] as const),
  ]
  const more = models.length - SHOWN_MODELS
  const recognisers = models.filter(({ task }) => task === 'transcribe')
  const example = recognisers.find(isKnownHere) ?? recognisers[0]
  return [
    'plumbline gateway is running; Ctrl-C stops it.',
    '',
    ...rows.map(([label, value]) => labelled(label, value, LABEL_WIDTH)),
    ...(more > 0 ? [labelled('', `and ${more} more: GET ${baseUrl}/models`, LABEL_WIDTH)] : []),
    ...(example === undefined
      ? []
      : [
          '',
          `Try it:  curl ${baseUrl}/audio/transcriptions ${apiKeys === 0 ? '' : '-H "authorization: Bearer <key>" '}-F file=@talk.wav -F model=${printable(publicId(example, distinct))}`,
        ]),
  ].join('\n')
}

function modelText(model: ServedModel, all: readonly ServedModel[]): string {
  const { task, languages } = model
  const shown = languages.length > 4 ? `${languages.length} languages` : languages.join(', ')
  const unknown = isKnownHere(model) ? '' : ', not known here'
  return `${printable(publicId(model, all))} (${task}${shown === '' ? '' : `, ${printable(shown)}`}${unknown})`
}
