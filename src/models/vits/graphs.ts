/** The family's graphs. One graph of each kind serves every length: sizes are symbolic. */
import { type Graph, gather, mul, type Tensor, unsqueeze } from '../../ml/graph/index.js'
import type { Parameters } from '../../ml/layers/index.js'
import type { VitsConfig } from './config.js'
import { decoder } from './decoder.js'
import { drawDurations, durationBound, plainDurations, type SpokenText } from './duration.js'
import { couplingFlow, posterior } from './flow.js'
import { textEncoder } from './text-encoder.js'
import { timeMask } from './time-mask.js'

/** The input that says who speaks, where the model tells speakers apart: [batch, speaker width, 1]. */
function chosenSpeaker(
  graph: Graph,
  p: Parameters,
  { speakers, speakerWidth }: VitsConfig,
): Tensor | undefined {
  if (speakers < 2) return undefined
  const ids = graph.input('speaker', 'int64', ['batch'])
  return unsqueeze(gather(p.at('embed_speaker').get('weight', [speakers, speakerWidth]), ids), 2)
}

/**
 * Inputs `ids` [batch, tokens] and `lengths` [batch]; `noise` [batch, 2, tokens], scaled, where durations are drawn;
 * `speaker` [batch] where there are several. Outputs `logDurations` [batch, 1, tokens], and of the latents `means` and
 * `logDeviations` [batch, tokens, latent width]; `hidden` [batch, width, tokens] is what they were made of.
 */
export function buildText(graph: Graph, p: Parameters, config: VitsConfig): void {
  const ids = graph.input('ids', 'int64', ['batch', 'tokens'])
  const lengths = graph.input('lengths', 'int64', ['batch'])
  const speaker = chosenSpeaker(graph, p, config)
  const { hidden, means, logDeviations, mask } = textEncoder(p.at('text_encoder'), ids, lengths, config)
  const spoken: SpokenText = { hidden, mask, speaker, width: config.width }
  const { duration } = config
  const predictor = p.at('duration_predictor')
  const logDurations = graph.scoped('durations', () =>
    duration.kind === 'plain'
      ? plainDurations(predictor, spoken, duration)
      : drawDurations(predictor, spoken, graph.input('noise', 'float32', ['batch', 2, 'tokens']), duration),
  )
  graph.output('logDurations', logDurations)
  graph.output('means', means)
  graph.output('logDeviations', logDeviations)
  graph.output('hidden', hidden)
}

/**
 * Inputs `latents` [batch, latent width, frames] as the text has them, `lengths` [batch], `speaker` as in
 * {@link buildText}. Outputs `moved`, as the decoder has them, and `frames`, the same with 0 at padding.
 */
export function buildFlow(graph: Graph, p: Parameters, config: VitsConfig): void {
  const latents = graph.input('latents', 'float32', ['batch', config.latentWidth, 'frames'])
  const lengths = graph.input('lengths', 'int64', ['batch'])
  const speaker = chosenSpeaker(graph, p, config)
  const mask = timeMask(lengths, 'frames')
  const moved = couplingFlow(p.at('flow'), latents, mask, speaker, config, 'reverse')
  graph.output('moved', moved)
  graph.output('frames', mul(moved, mask))
}

/** Inputs `frames` [batch, latent width, frames] and `speaker`. Output `sound` [batch, 1, samples]. */
export function buildDecoder(graph: Graph, p: Parameters, config: VitsConfig): void {
  const frames = graph.input('frames', 'float32', ['batch', config.latentWidth, 'frames'])
  graph.output('sound', decoder(p.at('decoder'), frames, chosenSpeaker(graph, p, config), config))
}

/**
 * What only training computes, of a text and a recording with given durations. Inputs `spectrogram` [batch, bins,
 * frames], `frameMask` [batch, 1, frames], `posteriorNoise` and `flowInput` [batch, latent width, frames]; `hidden`
 * [batch, width, tokens] and `tokenMask` [batch, 1, tokens]; `speakerVector` [batch, speaker width, 1] where the
 * checkpoint is conditioned. Outputs `posterior.latents`, `posterior.means`, `posterior.logDeviations`, `flow`, `sound`.
 * Of a stochastic predictor also the inputs `durations` [batch, 1, tokens] and `durationNoise` [batch, 2, tokens] and
 * the output `durationBound` [batch]; of a plain one the log durations `fitted` [batch, 1, tokens].
 */
export function buildTraining(graph: Graph, p: Parameters, config: VitsConfig): void {
  const { speakerWidth, latentWidth, duration } = config
  const frames = (name: string, channels: number) =>
    graph.input(name, 'float32', ['batch', channels, 'frames'])
  const tokens = (name: string, channels: number) =>
    graph.input(name, 'float32', ['batch', channels, 'tokens'])
  const speaker =
    speakerWidth === 0 ? undefined : graph.input('speakerVector', 'float32', ['batch', speakerWidth, 1])
  const frameMask = frames('frameMask', 1)
  const made = posterior(
    p.at('posterior_encoder'),
    frames('spectrogram', config.spectrogramBins),
    frameMask,
    frames('posteriorNoise', latentWidth),
    speaker,
    config,
  )
  graph.output('posterior.latents', made.latents)
  graph.output('posterior.means', made.means)
  graph.output('posterior.logDeviations', made.logDeviations)
  const flowInput = frames('flowInput', latentWidth)
  graph.output('flow', couplingFlow(p.at('flow'), flowInput, frameMask, speaker, config, 'forward'))
  graph.output('sound', decoder(p.at('decoder'), flowInput, speaker, config))
  const spoken: SpokenText = {
    hidden: tokens('hidden', config.width),
    mask: tokens('tokenMask', 1),
    speaker,
    width: config.width,
  }
  const predictor = p.at('duration_predictor')
  if (duration.kind === 'plain') graph.output('fitted', plainDurations(predictor, spoken, duration))
  else
    graph.output(
      'durationBound',
      durationBound(predictor, spoken, tokens('durations', 1), tokens('durationNoise', 2), duration),
    )
}
