"""The serving function of the engine `serverless`: a Lambda function with an asset of its own, in which
`portable` and what that needs are all there is."""
