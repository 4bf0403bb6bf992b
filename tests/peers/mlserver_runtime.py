"""MLServer's scikit-learn runtime with the three lines of `driftdrill init` in it.

python mlserver_runtime.py FOLDER REQUEST.json    answers one request, and shows the metrics
"""

import asyncio
import sys
from pathlib import Path

import prometheus_client
from mlserver import ModelSettings
from mlserver.codecs import NumpyCodec, PandasCodec
from mlserver.types import InferenceRequest, InferenceResponse
from mlserver_sklearn import SKLearnModel

from target_service.metrics import ModelMetrics
from target_service.model import load_reference


class Counted(SKLearnModel):
    """Counts what the pipeline predicts; `reference.json` lies beside the model."""

    async def load(self) -> bool:
        reference = load_reference(Path(self.settings.parameters.uri).parent / "reference.json")
        self.metrics = ModelMetrics(reference, None, prometheus_client.REGISTRY)
        return await super().load()

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        response = await super().predict(payload)
        rows = PandasCodec.decode_request(payload).to_dict("records")
        scores = NumpyCodec.decode_output(response.outputs[0])[:, 1]
        self.metrics.observe_rows(rows, scores)
        return response


async def answer(folder: Path, body: str) -> None:
    settings = ModelSettings.parse_file(folder / "model-settings.json")
    settings.parameters.uri = str(folder / "model.joblib")
    model = Counted(settings)
    await model.load()
    response = await model.predict(InferenceRequest.model_validate_json(body))
    print(response.model_dump_json())
    print(prometheus_client.generate_latest().decode())


if __name__ == "__main__":
    asyncio.run(answer(Path(sys.argv[1]), Path(sys.argv[2]).read_text()))
