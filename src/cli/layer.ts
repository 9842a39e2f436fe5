/**
 * Rates by layer. A data packet is 1436 bytes at layer 3 (IPv4), where all our rates are counted; 1450 with its
 * Ethernet header (layer 2, without checksum, preamble and gap) and 1408 as UDP payload (layer 4).
 */
import { PACKET_BYTES } from '../pob/constants.js'
import type { MeasureResult } from '../roles/measure-result.js'
import { choice } from './option.js'

export type Layer = 2 | 3 | 4

const ETHERNET_HEADER_BYTES = 14
const IPV4_AND_UDP_BYTES = 28
const BYTES_AT: Readonly<Record<Layer, number>> = {
  2: PACKET_BYTES + ETHERNET_HEADER_BYTES,
  3: PACKET_BYTES,
  4: PACKET_BYTES - IPV4_AND_UDP_BYTES,
}

export const layerOption = choice(['2', '3', '4'], {
  summary: 'Count rates with Ethernet headers (2), as IP packets (3) or as UDP payload (4)',
  default: '3',
})

export function layerOf(text: '2' | '3' | '4'): Layer {
  return text === '2' ? 2 : text === '4' ? 4 : 3
}

/** A layer-3 rate of full packets, as another layer counts it; three decimals, as results have. */
export function atLayer(mbps: number, layer: Layer): number {
  return layer === 3 ? mbps : Number(((mbps * BYTES_AT[layer]) / BYTES_AT[3]).toFixed(3))
}

/** The same result with every rate converted; byte counts stay those of layer 3. */
export function resultAtLayer(
  result: MeasureResult,
  layer: Layer,
): MeasureResult & { readonly layer: Layer } {
  const convert = (mbps: number) => atLayer(mbps, layer)
  return {
    ...result,
    layer,
    claimMbps: convert(result.claimMbps),
    estimateMbps: convert(result.estimateMbps),
    guaranteedMbps: convert(result.guaranteedMbps),
    interval: { lowMbps: convert(result.interval.lowMbps), highMbps: convert(result.interval.highMbps) },
    ...(result.available === undefined
      ? {}
      : {
          available: {
            ...result.available,
            rateMbps: convert(result.available.rateMbps),
            steps: result.available.steps.map((step) => ({ ...step, rateMbps: convert(step.rateMbps) })),
          },
        }),
    slots: result.slots.map((slot) => ({ ...slot, valueMbps: convert(slot.valueMbps) })),
  }
}

const LAYER_NAMES: Readonly<Record<Layer, string>> = {
  2: 'layer 2: Ethernet frames',
  3: 'layer 3: IP packets',
  4: 'layer 4: UDP payload',
}

export function layerName(layer: Layer): string {
  return LAYER_NAMES[layer]
}
