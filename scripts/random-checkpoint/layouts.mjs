/** Configurations of published models, by the names that this repository's benches call them. */

const recogniser = {
  model_type: 'wav2vec2',
  architectures: ['Wav2Vec2ForCTC'],
  vocab_size: 32,
  pad_token_id: 0,
}
const stable = { do_stable_layer_norm: true, feat_extract_norm: 'layer', conv_bias: true }
/** XLS-R 300M. */
const large = { hidden_size: 1024, num_hidden_layers: 24, num_attention_heads: 16, intermediate_size: 4096 }

export const layouts = {
  small: {
    ...recogniser,
    conv_dim: Array(7).fill(64),
    hidden_size: 128,
    num_hidden_layers: 2,
    num_attention_heads: 4,
    intermediate_size: 256,
  },
  'wav2vec2-base': recogniser,
  'wav2vec2-large': { ...recogniser, ...stable, ...large },
  'mms-1b': {
    ...recogniser,
    ...stable,
    hidden_size: 1280,
    num_hidden_layers: 48,
    num_attention_heads: 16,
    intermediate_size: 5120,
    adapter_attn_dim: 16,
    vocab_size: 154,
  },
  // The published class's defaults are those of the voices.
  'mms-tts': { model_type: 'vits', architectures: ['VitsModel'], vocab_size: 38 },
  // XLS-R 300M with the decoder of mBART-50, from 21 languages to English.
  'xlsr-mbart': {
    model_type: 'speech-encoder-decoder',
    architectures: ['SpeechEncoderDecoderModel'],
    decoder_start_token_id: 250_004,
    encoder: { model_type: 'wav2vec2', ...stable, ...large, add_adapter: true },
    decoder: {
      model_type: 'mbart',
      vocab_size: 250_054,
      activation_function: 'relu',
      scale_embedding: true,
      bos_token_id: 0,
      pad_token_id: 1,
      eos_token_id: 2,
      max_length: 200,
      num_beams: 5,
      early_stopping: true,
    },
  },
  'data2vec-text': {
    model_type: 'data2vec-text',
    architectures: ['Data2VecTextForMaskedLM'],
    vocab_size: 50_265,
    max_position_embeddings: 514,
    type_vocab_size: 1,
    layer_norm_eps: 1e-5,
  },
  'data2vec-vision': {
    model_type: 'data2vec-vision',
    architectures: ['Data2VecVisionModel'],
    use_shared_relative_position_bias: true,
  },
}
