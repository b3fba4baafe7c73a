-- Usable analyses with the time that their comment was written at, where that lies in the range.
SELECT comment.created_time AS written_at, judged.quality_score
FROM ({judged}) AS judged
JOIN ({comments}) AS comment ON comment.comment_id = judged.comment_id
WHERE NOT judged.failed AND NOT judged.uniform AND judged.quality_score IS NOT NULL
