//! Amazon `CloudWatch`: expressions of `GetMetricData`, by AWS's JSON protocol.
//! <https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricData.html>

use std::path::PathBuf;

use http::{HeaderName, HeaderValue, header::AUTHORIZATION};
use jiff::Timestamp;
use serde_json::{Value, json};
use tidegate_endpoints::{Fault as Unreached, secret};

use super::{
    Fault,
    kind::{Answer, Kind, Request, recent},
    sig_v4::{Credentials, Signed, authorization, date},
};

const CONTENT: &str = "application/x-amz-json-1.0";
const TARGET: &str = "GraniteServiceVersion20100801.GetMetricData";
/// The length of time that each value is of, in seconds.
const PERIOD: u32 = 60;

/// Asks for `text` as an expression: SQL of Metrics Insights, or a search.
pub(super) struct CloudWatch {
    pub(super) host: String,
    pub(super) region: String,
    pub(super) access_key_file: PathBuf,
    pub(super) secret_key_file: PathBuf,
    pub(super) session_token_file: Option<PathBuf>,
}

impl Kind for CloudWatch {
    fn request(&self, text: &str, at: Timestamp) -> Result<Request, Fault> {
        let (start, end) = recent(at);
        // The minute that is not over yet has only a part of its sum.
        let end = end - end.rem_euclid(i64::from(PERIOD));
        let query = json!({"Id": "q", "Expression": text, "Period": PERIOD, "ReturnData": true});
        let question = json!({
            "MetricDataQueries": [query], "StartTime": start, "EndTime": end, "ScanBy": "TimestampDescending",
        });
        // Signed for the present, whatever time is asked about.
        self.signed(question.to_string().into_bytes(), Timestamp::now())
    }

    fn answer(&self, body: &Value) -> Option<Answer> {
        if body["NextToken"].is_string() {
            return Some(Answer::Partial);
        }
        let mut numbers = Vec::new();
        for result in body["MetricDataResults"].as_array()? {
            match result["StatusCode"].as_str() {
                Some("Complete") => numbers.extend(result["Values"].as_array()?.first().and_then(Value::as_f64)),
                Some("Forbidden") => return Some(Answer::Refused),
                _ => return Some(Answer::Partial),
            }
        }
        Some(Answer::Numbers(numbers))
    }

    /// AWS says by the name of the error what is wrong, and mostly by the same status: who asks too often is told as by others, by
    /// HTTP 429.
    /// <https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/CommonErrors.html>
    fn refusal(&self, body: &Value) -> Fault {
        // Before a `#` stands the name of the service's model.
        let name = body["__type"].as_str().and_then(|name| name.rsplit('#').next());
        match name {
            Some("ThrottlingException" | "Throttling" | "RequestLimitExceeded") => Fault::Status(429),
            Some(
                "AccessDeniedException" | "UnrecognizedClientException" | "ExpiredTokenException" | "NotAuthorized",
            ) => Fault::Unauthorized(400),
            _ => Fault::Refused,
        }
    }
}

impl CloudWatch {
    fn signed(&self, body: Vec<u8>, now: Timestamp) -> Result<Request, Fault> {
        let read = |file| secret(file).map_err(Fault::Unreached);
        let (access_key, secret_key) = (read(&self.access_key_file)?, read(&self.secret_key_file)?);
        let token = self.session_token_file.as_deref().map(read).transpose()?;
        let date = date(now);
        let mut headers = vec![("content-type", CONTENT), ("host", &*self.host), ("x-amz-date", &*date)];
        headers.extend(token.as_deref().map(|token| ("x-amz-security-token", token)));
        headers.push(("x-amz-target", TARGET));
        let credentials = Credentials { access_key: &access_key, secret_key: &secret_key };
        let signed = Signed { region: &self.region, service: "monitoring", headers: &headers, body: &body };
        let authorization = authorization(&credentials, &date, &signed);
        let unusable = || Fault::Unreached(Unreached::Credentials("its keys do not fit into a header".to_owned()));
        let mut request = Request::post("/", CONTENT, body);
        for (name, value) in headers.iter().filter(|(name, _)| name.starts_with("x-amz-")) {
            let mut value = HeaderValue::from_str(value).map_err(|_| unusable())?;
            value.set_sensitive(*name == "x-amz-security-token");
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| unusable())?;
            request = request.with(name, value);
        }
        let mut authorization = HeaderValue::from_str(&authorization).map_err(|_| unusable())?;
        authorization.set_sensitive(true);
        Ok(request.with(AUTHORIZATION, authorization))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn cloud_watch() -> CloudWatch {
        CloudWatch {
            host: "monitoring.eu-west-1.amazonaws.com".to_owned(),
            region: "eu-west-1".to_owned(),
            access_key_file: "/nowhere/access".into(),
            secret_key_file: "/nowhere/secret".into(),
            session_token_file: None,
        }
    }

    fn answered(result: &Value) -> Option<Answer> {
        cloud_watch().answer(&json!({"MetricDataResults": [result], "Messages": []}))
    }

    #[test]
    fn the_newest_value_of_each_result_counts() {
        let result =
            json!({"Id": "q", "Label": "a", "StatusCode": "Complete", "Timestamps": [120, 60], "Values": [2.5, 1.5]});
        assert_eq!(answered(&result), Some(Answer::Numbers(vec![2.5])));
        let none = json!({"Id": "q", "Label": "a", "StatusCode": "Complete", "Timestamps": [], "Values": []});
        assert_eq!(answered(&none), Some(Answer::Numbers(Vec::new())));
    }

    #[test]
    fn a_part_of_the_values_is_no_number() {
        let part = json!({"Id": "q", "StatusCode": "PartialData", "Timestamps": [60], "Values": [1]});
        assert_eq!(answered(&part), Some(Answer::Partial));
        assert_eq!(answered(&json!({"Id": "q", "StatusCode": "Forbidden", "Values": []})), Some(Answer::Refused));
    }

    #[test]
    fn who_asks_too_often_or_may_not_ask_did_not_write_a_wrong_expression() {
        let refusal = |name: &str| cloud_watch().refusal(&json!({"__type": name, "message": "…"}));
        assert_eq!(refusal("com.amazon.coral.availability#ThrottlingException"), Fault::Status(429));
        assert_eq!(refusal("com.amazon.coral.service#AccessDeniedException"), Fault::Unauthorized(400));
        assert_eq!(refusal("com.amazonaws.cloudwatch.v2010_08_01#InvalidParameterValue"), Fault::Refused);
        assert_eq!(cloud_watch().refusal(&Value::Null), Fault::Refused);
    }

    #[test]
    fn a_key_that_cannot_be_read_is_told() {
        let fault = cloud_watch().request("SELECT 1", Timestamp::UNIX_EPOCH).unwrap_err();
        assert!(fault.to_string().contains("/nowhere/access"), "{fault}");
    }
}
