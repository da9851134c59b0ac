"""The meaning of TensorFlow's operators, which TFLite shares, in terms of our IR: channels-last data and all."""
